"""Files of other servers, kept here from the first time that somebody asks for them."""

from collections.abc import Callable
from email.message import Message
from functools import partial
from typing import Protocol

from homeserver.media.allowance import RemoteAllowance
from homeserver.media.contents import Contents
from homeserver.media.headers import content_type_of
from homeserver.media.inspection import Inspection
from homeserver.media.store.media import Description, Media, MediaKey, NewMedia, insert_media, media_by_key
from homeserver.protocol.errors import NotFound, RemoteTooLarge, TooLarge
from homeserver.protocol.identifiers import ServerName
from homeserver.runtime.clock import Clock
from homeserver.runtime.shared_calls import SharedCalls
from homeserver.storage.database import Database

_LONGEST_NAME = 1000


class Described(Protocol):
    """What another server says of a file, in headers."""

    @property
    def content_type(self) -> str | None: ...
    @property
    def content_disposition(self) -> str | None: ...


class OtherServers(Protocol):
    """Whoever can ask other servers for files."""

    async def download(
        self,
        server_name: ServerName,
        media_id: str,
        write: Callable[[bytes], object],
        *,
        most_bytes: int,
        timeout_ms: int,
    ) -> Described:
        """Gives the file to `write`, piece by piece. Raises MatrixErrors; TooLarge beyond `most_bytes`."""


class RemoteFiles:
    """Fetches each file once, however many ask for it at the same time."""

    def __init__(
        self,
        servers: OtherServers,
        contents: Contents,
        inspection: Inspection,
        allowance: RemoteAllowance,
        db: Database,
        clock: Clock,
        most_bytes: int,
        *,
        is_authenticated: bool,
    ) -> None:
        """`is_authenticated`: whether the endpoints without authentication hide what is fetched from now on."""
        self._servers = servers
        self._contents = contents
        self._inspection = inspection
        self._allowance = allowance
        self._db = db
        self._clock = clock
        self._most_bytes = most_bytes
        self._is_authenticated = is_authenticated
        self._under_way: SharedCalls[MediaKey, Media] = SharedCalls()

    async def fetch(self, key: MediaKey, timeout_ms: int, address: str) -> Media:
        """A file that is not here yet; the other server may wait `timeout_ms` for its upload.

        `address` is that of the client. Raises NotFound, NotYetUploaded, RemoteTooLarge, RemoteFailed, Forbidden,
        LimitExceeded.
        """
        return await self._under_way.run(key, partial(self._fetch, key, timeout_ms, address))

    async def _fetch(self, key: MediaKey, timeout_ms: int, address: str) -> Media:
        self._allowance.check(address)
        with await self._contents.incoming_file() as file:
            described = await self._download(key, self._allowance.counting(address, file.write), timeout_ms)
            description = Description(
                content_type_of(described.content_type), file_name_of(described.content_disposition)
            )
            new = NewMedia(
                key, None, await self._inspection.inspect(file, description), self._is_authenticated
            )
            await self._contents.keep(file, partial(insert_media, new=new, now_ms=self._clock.now_ms()))
        media = await self._db.read(media_by_key, key)
        if media is None:
            raise NotFound("The content has just been removed")
        return media

    async def _download(self, key: MediaKey, write: Callable[[bytes], object], timeout_ms: int) -> Described:
        try:
            return await self._servers.download(
                ServerName(key.server),
                key.media_id,
                write,
                most_bytes=self._most_bytes,
                timeout_ms=timeout_ms,
            )
        except TooLarge as error:
            raise RemoteTooLarge(f"The content may have {self._most_bytes} bytes") from error


def file_name_of(content_disposition: str | None) -> str | None:
    """What a header says that a file is called: https://www.rfc-editor.org/rfc/rfc6266"""
    if content_disposition is None:
        return None
    message = Message()
    # Parsers of headers leave lone surrogates for bytes that are no text.
    message["Content-Disposition"] = content_disposition.encode("utf-8", "replace").decode()
    name = (message.get_filename() or "").replace("\0", "")
    return name[:_LONGEST_NAME] or None
