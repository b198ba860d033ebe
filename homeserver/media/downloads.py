"""How files go out."""

import logging

from homeserver.accounts.domains import LocalDomains
from homeserver.http.endpoint import FileAnswer
from homeserver.media.headers import headers_of
from homeserver.media.storage import Storage
from homeserver.media.store import Media, media_by_id
from homeserver.media.uploads import is_expired, topic_of
from homeserver.protocol.errors import NotFound, NotYetUploaded
from homeserver.runtime.clock import Clock
from homeserver.runtime.threads import Threads
from homeserver.storage.database import Database
from homeserver.streams.waiting import Waiting

log = logging.getLogger(__name__)

# How often it is asked whether another process has taken the upload, and for how long in all.
_STEP_MS = 2_000
_LONGEST_WAIT_MS = 60_000


class Downloads:
    def __init__(
        self,
        db: Database,
        storage: Storage,
        threads: Threads,
        domains: LocalDomains,
        waiting: Waiting,
        clock: Clock,
    ) -> None:
        """`threads` are those in which `storage` may block."""
        self._db = db
        self._storage = storage
        self._threads = threads
        self._domains = domains
        self._waiting = waiting
        self._clock = clock

    async def file(
        self, server_name: str, media_id: str, file_name: str | None, timeout_ms: int, *, frozen: bool
    ) -> FileAnswer:
        """The file of an mxc:// URI, for which is waited at most `timeout_ms` where its upload is to come yet.

        Where it is `frozen`, only what was uploaded before media took authentication. Raises NotFound, NotYetUploaded.
        """
        media = await self._uploaded(server_name, media_id, min(timeout_ms, _LONGEST_WAIT_MS), frozen=frozen)
        content = media.content
        assert content is not None, "it was waited for"
        try:
            file = await self._threads.run(self._storage.open, content.sha256)
        except FileNotFoundError as error:
            log.error("the media store has lost the content %s of %s", content.sha256.hex(), media_id)
            raise NotFound("The content is not there any more") from error
        headers = headers_of(media.description, file_name)
        return FileAnswer(file, content.length, f'"{content.sha256.hex()}"', headers)

    async def _uploaded(self, server_name: str, media_id: str, timeout_ms: int, *, frozen: bool) -> Media:
        media = await self._find(server_name, media_id, frozen=frozen)
        while media.content is None and timeout_ms > 0:
            step = min(timeout_ms, _STEP_MS)
            timeout_ms -= step
            await self._waiting.until([topic_of(media_id)], step / 1000)
            media = await self._find(server_name, media_id, frozen=frozen)
        if media.content is None:
            raise NotYetUploaded("The content has not been uploaded yet")
        return media

    async def _find(self, server_name: str, media_id: str, *, frozen: bool) -> Media:
        if not self._domains.speaks_for(server_name):
            raise NotFound("This server has no content of that server")
        media = await self._db.read(media_by_id, media_id)
        if media is None or is_expired(media, self._clock.now_ms()):
            raise NotFound("There is no such content")
        if frozen and media.is_authenticated:
            raise NotFound("This content takes authentication: GET /_matrix/client/v1/media/download")
        return media
