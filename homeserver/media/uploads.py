"""How files come in.

https://spec.matrix.org/v1.19/client-server-api/#content-repository
"""

from config.media import Media as MediaSettings
from homeserver.accounts.domains import LocalDomains
from homeserver.http.endpoint import Upload
from homeserver.http.requester import Requester
from homeserver.media.headers import content_type_of
from homeserver.media.storage import Storage
from homeserver.media.store import (
    Description,
    Media,
    Reservation,
    delete_unused,
    fill_reservation,
    insert_reservation,
    insert_uploaded,
    media_by_id,
)
from homeserver.protocol.errors import CannotOverwriteMedia, Forbidden, LimitExceeded, NotFound
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.threads import Threads
from homeserver.storage.database import Database
from homeserver.streams.waiting import Waiting

_ID_LENGTH = 24
_ABANDONED_AFTER = 24 * 3600  # seconds; no upload takes so long


class Uploads:
    """Takes files; each is safe on the disk before anybody is told its URI."""

    def __init__(
        self,
        db: Database,
        storage: Storage,
        threads: Threads,
        domains: LocalDomains,
        waiting: Waiting,
        settings: MediaSettings,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        """`threads` are those in which `storage` may block."""
        self._db = db
        self._storage = storage
        self._threads = threads
        self._domains = domains
        self._waiting = waiting
        self._settings = settings
        self._clock = clock
        self._randomness = randomness

    async def upload(self, requester: Requester, upload: Upload, file_name: str | None) -> str:
        """Stores a file and returns its mxc:// URI."""
        with upload.file:
            content = await self._threads.run(self._storage.store, upload.file)
        media_id = self._randomness.token(_ID_LENGTH)
        await self._db.write(
            insert_uploaded,
            media_id,
            requester.user_nid,
            self._clock.now_ms(),
            content,
            _described(upload, file_name),
            is_authenticated=self._settings.enable_authenticated_media,
        )
        return self._uri(media_id)

    async def reserve(self, requester: Requester) -> tuple[str, int]:
        """An mxc:// URI for an upload to come, and the time in milliseconds before which it must.

        Raises LimitExceeded where the user has too many of them.
        """
        now_ms, media_id = self._clock.now_ms(), self._randomness.token(_ID_LENGTH)
        expires_at = now_ms + int(self._settings.unused_expiration_time.total_seconds() * 1000)
        reservation = Reservation(
            media_id, requester.user_nid, now_ms, expires_at, self._settings.enable_authenticated_media
        )
        most = self._settings.max_pending_media_uploads
        next_at = await self._db.write(insert_reservation, reservation, most)
        if next_at is not None:
            raise LimitExceeded(
                f"Only {most} uploads can be pending at a time", retry_after_ms=max(next_at - now_ms, 0)
            )
        return self._uri(media_id), expires_at

    async def fill(
        self, requester: Requester, server_name: str, media_id: str, upload: Upload, file_name: str | None
    ) -> None:
        """Stores the file of a reserved URI. Raises NotFound, Forbidden, CannotOverwriteMedia."""
        with upload.file:
            await self._check(requester, server_name, media_id)
            content = await self._threads.run(self._storage.store, upload.file)
        described = _described(upload, file_name)
        if not await self._db.write(fill_reservation, media_id, self._clock.now_ms(), content, described):
            # Another upload was faster, or time was.
            await self._check(requester, server_name, media_id)
        self._waiting.wake([topic_of(media_id)])

    async def _check(self, requester: Requester, server_name: str, media_id: str) -> None:
        media = await self._db.read(media_by_id, media_id)
        if media is None or not self._domains.speaks_for(server_name):
            raise NotFound("No such URI was created on this server")
        if media.uploader != requester.user_nid:
            raise Forbidden("Somebody else created this URI")
        if media.content is not None:
            raise CannotOverwriteMedia("This URI has its content already")
        if is_expired(media, self._clock.now_ms()):
            raise NotFound("This URI has expired")

    async def forget_unused(self) -> None:
        """For a task: reservations that expired, and the remains of uploads that were cut off."""
        await self._db.write(delete_unused, self._clock.now_ms())
        before = self._clock.seconds() - _ABANDONED_AFTER
        await self._threads.run(self._storage.delete_abandoned, before)

    def _uri(self, media_id: str) -> str:
        return f"mxc://{self._domains.default}/{media_id}"


def topic_of(media_id: str) -> tuple[str, str]:
    """What those wait for who ask for a file that is to be uploaded yet."""
    return ("media", media_id)


def is_expired(media: Media, now_ms: int) -> bool:
    return media.expires_at is not None and media.expires_at <= now_ms


def _described(upload: Upload, file_name: str | None) -> Description:
    return Description(content_type_of(upload.content_type), file_name or None)
