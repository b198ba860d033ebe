"""Rooms that were entered without most of their members and have them by now: news for those who are in them.

The members that were filled in have the position of the join, which clients are past. So the completion has a position
of its own.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from homeserver.rooms.store.completed import (
    delete_completed,
    insert_completed,
    rooms_without_position,
    set_positions,
)
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal, Placed, Topic
from homeserver.streams.last_changed import LastChanged

_KEPT = timedelta(days=365)
"""Whose token is older is not told."""


class _Completions:
    """How rooms (short ids) get their position (an EntryKind)."""

    def __init__(self, changed: LastChanged[int]) -> None:
        self._changed = changed

    def count(self, entry: int) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[int]]) -> None:
        set_positions(txn, [(placed.entry, placed.position) for placed in batch])

    def stored(self, batch: Sequence[Placed[int]]) -> Iterable[Topic]:
        for placed in batch:
            self._changed.record(placed.entry, placed.position)
        return [("room", placed.entry) for placed in batch]


class CompletedRooms:
    """Remembers since when rooms are whole. A completion wakes the topic ("room", short id)."""

    def __init__(self, journal: Journal, db: Database, clock: Clock) -> None:
        self._journal = journal
        self._db = db
        self._clock = clock
        self._changed: LastChanged[int] = LastChanged()
        self._completions = _Completions(self._changed)

    def start_at(self, position: int) -> None:
        """Called once the journal has started: completions up to `position` are only in the database."""
        self._changed.start_at(position)

    def changed_after(self, room: int, position: int) -> bool:
        """Whether the room may have been completed after `position`."""
        return self._changed.after(room, position)

    def add(self, txn: Transaction, room: int) -> None:
        """Belongs into the transaction that fills in the last members."""
        insert_completed(txn, room, self._clock.now_ms())

    async def tell(self) -> None:
        """Tells of what was added. Also for a task: the server may have stopped in between."""
        for room in await self._db.read(rooms_without_position):
            await self._journal.append(self._completions, room)

    async def forget_old(self) -> None:
        before = self._clock.now_ms() - _KEPT // timedelta(milliseconds=1)
        await self._db.write(delete_completed, before)
