"""How files come in.

https://spec.matrix.org/v1.19/client-server-api/#content-repository
"""

from functools import partial

from config.media import Media as MediaSettings
from homeserver.accounts.domains import LocalDomains
from homeserver.http.endpoint import Upload
from homeserver.http.requester import Requester
from homeserver.media.contents import Contents
from homeserver.media.headers import content_type_of
from homeserver.media.inspection import Inspection
from homeserver.media.quotas import Quotas
from homeserver.media.store.media import (
    LOCAL,
    Description,
    Media,
    MediaKey,
    NewMedia,
    Reservation,
    delete_expired,
    fill_reservation,
    insert_media,
    insert_reservation,
    media_by_key,
)
from homeserver.protocol.errors import CannotOverwriteMedia, Forbidden, LimitExceeded, NotFound
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.storage.database import Database
from homeserver.streams.waiting import Waiting

_ID_LENGTH = 24


class Uploads:
    """Takes files; each is safe on the disk before anybody is told its URI."""

    def __init__(
        self,
        db: Database,
        contents: Contents,
        inspection: Inspection,
        quotas: Quotas,
        domains: LocalDomains,
        waiting: Waiting,
        settings: MediaSettings,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._db = db
        self._contents = contents
        self._inspection = inspection
        self._quotas = quotas
        self._domains = domains
        self._waiting = waiting
        self._settings = settings
        self._clock = clock
        self._randomness = randomness

    async def upload(self, requester: Requester, upload: Upload, file_name: str | None) -> str:
        """Stores a file and returns its mxc:// URI. Raises UserLimitExceeded, Forbidden."""
        with upload.file:
            await self._quotas.check(requester.user_nid, upload.length)
            description = await self._inspection.inspect(upload.file, _described(upload, file_name))
            new = NewMedia(
                MediaKey(LOCAL, self._randomness.token(_ID_LENGTH)),
                requester.user_nid,
                description,
                self._settings.enable_authenticated_media,
            )
            record = partial(insert_media, new=new, now_ms=self._clock.now_ms())
            await self._contents.keep(upload.file, record)
        return self._uri(new.key.media_id)

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
        """Stores the file of a reserved URI.

        Raises NotFound, Forbidden, CannotOverwriteMedia, UserLimitExceeded.
        """
        with upload.file:
            await self._check(requester, server_name, media_id)
            await self._quotas.check(requester.user_nid, upload.length)
            description = await self._inspection.inspect(upload.file, _described(upload, file_name))
            record = partial(
                fill_reservation, media_id=media_id, now_ms=self._clock.now_ms(), description=description
            )
            is_filled = await self._contents.keep(upload.file, record)
        if not is_filled:
            # Another upload was faster, or time was.
            await self._check(requester, server_name, media_id)
        self._waiting.wake([topic_of(media_id)])

    async def _check(self, requester: Requester, server_name: str, media_id: str) -> None:
        media = await self._db.read(media_by_key, MediaKey(LOCAL, media_id))
        if media is None or not self._domains.speaks_for(server_name):
            raise NotFound("No such URI was created on this server")
        if media.uploader != requester.user_nid:
            raise Forbidden("Somebody else created this URI")
        if media.content is not None:
            raise CannotOverwriteMedia("This URI has its content already")
        if is_expired(media, self._clock.now_ms()):
            raise NotFound("This URI has expired")

    async def forget_unused(self) -> None:
        """For a task: reservations that expired."""
        await self._db.write(delete_expired, self._clock.now_ms())

    def _uri(self, media_id: str) -> str:
        return f"mxc://{self._domains.default}/{media_id}"


def topic_of(media_id: str) -> tuple[str, str]:
    """What those wait for who ask for a file that is to be uploaded yet."""
    return ("media", media_id)


def is_expired(media: Media, now_ms: int) -> bool:
    return media.expires_at is not None and media.expires_at <= now_ms


def _described(upload: Upload, file_name: str | None) -> Description:
    return Description(content_type_of(upload.content_type), file_name or None)
