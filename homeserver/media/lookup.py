"""Finding the file that an mxc:// URI stands for: here, in an upload to come, or on another server."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from homeserver.accounts.domains import LocalDomains
from homeserver.media.accesses import Accesses
from homeserver.media.remote import RemoteFiles
from homeserver.media.store.contents import Content
from homeserver.media.store.media import LOCAL, Media, MediaKey, media_by_key
from homeserver.media.uploads import is_expired, topic_of
from homeserver.protocol.errors import InvalidParam, NotFound, NotYetUploaded
from homeserver.protocol.identifiers import ServerName, parse_server_name
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.streams.waiting import Waiting

# How often it is asked whether another process has taken the upload, and for how long in all.
_STEP_MS = 2_000
_LONGEST_WAIT_MS = 60_000
# https://spec.matrix.org/v1.19/client-server-api/#content-repo-security-considerations
_MEDIA_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file that is asked for.

    `timeout_ms` is how long whoever asks waits for its upload. Where it is `frozen`, they get only what came here
    before media took authentication. Other servers are asked for it only with `allow_remote`, and as much as is
    left for `address`, the client's.
    """

    server_name: str
    media_id: str
    timeout_ms: int = 20_000
    frozen: bool = False
    allow_remote: bool = True
    address: str = ""


class MediaLookup:
    """Every way to the content of a file goes through here."""

    def __init__(
        self,
        db: Database,
        domains: LocalDomains,
        remote: RemoteFiles,
        accesses: Accesses,
        waiting: Waiting,
        clock: Clock,
        prevented: Collection[str] = (),
    ) -> None:
        """Files of the servers in `prevented` are given to nobody."""
        self._db = db
        self._domains = domains
        self._remote = remote
        self._accesses = accesses
        self._waiting = waiting
        self._clock = clock
        self._prevented = frozenset(prevented)

    async def find(self, wanted: Wanted) -> tuple[Media, Content]:
        """Raises NotFound, NotYetUploaded, and what `RemoteFiles.fetch` raises."""
        if not _MEDIA_ID.fullmatch(wanted.media_id):
            raise NotFound("There is no such content")
        if self._domains.speaks_for(wanted.server_name):
            media = await self._local(wanted)
        else:
            media = await self._of_other_server(wanted)
        if media.is_quarantined:
            raise NotFound("This content has been taken away by the administrators of this server")
        assert media.content is not None, "it was waited for"
        self._accesses.note(media)
        return media, media.content

    async def _local(self, wanted: Wanted) -> Media:
        key = MediaKey(LOCAL, wanted.media_id)
        timeout_ms = min(wanted.timeout_ms, _LONGEST_WAIT_MS)
        media = await self._existing(key, wanted)
        while media.content is None and timeout_ms > 0:
            step = min(timeout_ms, _STEP_MS)
            timeout_ms -= step
            await self._waiting.until([topic_of(wanted.media_id)], step / 1000)
            media = await self._existing(key, wanted)
        if media.content is None:
            raise NotYetUploaded("The content has not been uploaded yet")
        return media

    async def _existing(self, key: MediaKey, wanted: Wanted) -> Media:
        media = await self._db.read(media_by_key, key)
        if media is None or is_expired(media, self._clock.now_ms()):
            raise NotFound("There is no such content")
        _check_frozen(media, wanted)
        return media

    async def _of_other_server(self, wanted: Wanted) -> Media:
        server_name = _server_name(wanted.server_name)
        if not wanted.allow_remote or server_name in self._prevented:
            raise NotFound("This server has no content of that server")
        key = MediaKey(server_name, wanted.media_id)
        media = await self._db.read(media_by_key, key)
        if media is None:
            if wanted.frozen:
                raise NotFound("This content takes authentication: GET /_matrix/client/v1/media/download")
            media = await self._remote.fetch(key, min(wanted.timeout_ms, _LONGEST_WAIT_MS), wanted.address)
        _check_frozen(media, wanted)
        return media


def _server_name(text: str) -> ServerName:
    try:
        name = parse_server_name(text)
    except InvalidParam as error:
        raise NotFound("There is no such server") from error
    # Dots alone are in the grammar, but in no network.
    if not any(map(str.isalnum, name)):
        raise NotFound("There is no such server")
    return name


def _check_frozen(media: Media, wanted: Wanted) -> None:
    if wanted.frozen and media.is_authenticated:
        raise NotFound("This content takes authentication: GET /_matrix/client/v1/media/download")
