"""How much a user may upload."""

from collections.abc import Sequence

from config.media import UploadLimit
from homeserver.media.store.media import uploaded_bytes
from homeserver.protocol.errors import UserLimitExceeded
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database


class Quotas:
    """Looked at before an upload: a few at the same time may together go a little beyond."""

    def __init__(self, db: Database, clock: Clock, limits: Sequence[UploadLimit], info_uri: str) -> None:
        """`info_uri` is where users read about limits that name no page of their own."""
        self._db = db
        self._clock = clock
        self._limits = limits
        self._info_uri = info_uri

    async def check(self, uploader: int, length: int) -> None:
        """Raises UserLimitExceeded where so many more bytes are too much."""
        for limit in self._limits:
            since = self._clock.now_ms() - int(limit.time_period.total_seconds() * 1000)
            uploaded = await self._db.read(uploaded_bytes, uploader, since)
            if uploaded + length > limit.max_size:
                raise UserLimitExceeded(
                    "You have uploaded as much as you may for now",
                    info_uri=limit.info_uri or self._info_uri,
                    can_upgrade=limit.can_upgrade,
                )
