"""How long files are kept."""

from collections.abc import Callable, Collection
from datetime import timedelta

from config.media import Media as MediaSettings
from homeserver.media.store.lifetimes import (
    delete_media,
    delete_unaccessed_local,
    delete_unaccessed_previews,
    delete_unaccessed_remote,
    shrink_remote,
)
from homeserver.media.store.media import MediaKey
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_AT_ONCE = 500
# Clients that still show the page ask for it again.
_PREVIEWS_FOR = timedelta(days=2)


class Retention:
    """Ends files. Their bytes go a little later, with the last that had them."""

    def __init__(self, db: Database, settings: MediaSettings, clock: Clock) -> None:
        self._db = db
        self._settings = settings
        self._clock = clock

    async def apply(self) -> None:
        """For a task: what is older, or more, than the operator wants."""
        settings = self._settings
        await self._in_pieces(delete_unaccessed_previews, self._ago(_PREVIEWS_FOR))
        if settings.local_lifetime is not None:
            await self._in_pieces(delete_unaccessed_local, self._ago(settings.local_lifetime))
        if settings.remote_lifetime is not None:
            await self._in_pieces(delete_unaccessed_remote, self._ago(settings.remote_lifetime))
        if settings.remote_size is not None:
            await self._in_pieces(shrink_remote, settings.remote_size)

    async def delete(self, keys: Collection[MediaKey]) -> int:
        """Deletes files at once; returns how many of them there were."""
        return await self._db.write(delete_media, keys, self._clock.now_ms())

    async def delete_remote(self, before_ms: int) -> int:
        """Deletes the files of other servers for which nobody has asked since a time; returns how many."""
        return await self._in_pieces(delete_unaccessed_remote, before_ms)

    async def delete_local(self, before_ms: int) -> int:
        """Deletes the files of this server for which nobody has asked since a time; returns how many.

        Those in quarantine, or protected from it, stay.
        """
        return await self._in_pieces(delete_unaccessed_local, before_ms)

    async def _in_pieces(self, delete: Callable[[Transaction, int, int, int], int], bound: int) -> int:
        """Nobody has to wait long for the database."""
        deleted = 0
        while count := await self._db.write(delete, bound, self._clock.now_ms(), _AT_ONCE):
            deleted += count
        return deleted

    def _ago(self, lifetime: timedelta) -> int:
        return self._clock.now_ms() - int(lifetime.total_seconds() * 1000)
