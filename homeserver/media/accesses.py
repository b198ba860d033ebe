"""When a file was last asked for, by which it is decided what is kept."""

from homeserver.media.store.media import Media, MediaKey, mark_accessed
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database

# Nothing is decided by less than this.
_EXACT_TO_MS = 3600 * 1000


class Accesses:
    """Files asked for since the last write, remembered until the next. A crash forgets a minute of them."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._noted: set[MediaKey] = set()

    def note(self, media: Media) -> None:
        if media.accessed_at <= self._clock.now_ms() - _EXACT_TO_MS:
            self._noted.add(media.key)

    async def write(self) -> None:
        """For a task, and for the end."""
        if self._noted:
            noted, self._noted = self._noted, set()
            await self._db.write(mark_accessed, noted, self._clock.now_ms())
