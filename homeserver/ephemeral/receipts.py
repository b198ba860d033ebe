"""Receipts: how far users have read.

https://spec.matrix.org/v1.19/client-server-api/#receipts
"""

from collections.abc import Iterable, Sequence

from twisted.internet.defer import Deferred

from homeserver.ephemeral.listening import EphemeralListener
from homeserver.ephemeral.store import (
    READ_PRIVATE,
    ReceiptKey,
    ReceiptRow,
    supersedes,
    upsert_receipts,
)
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal, Placed, Position, Topic
from homeserver.streams.last_changed import LastChanged


class _ReceiptKind:
    """How receipts are stored (an EntryKind): a whole batch in one statement, without reading."""

    def __init__(
        self,
        changed: LastChanged[int],
        moved: LastChanged[tuple[int, int]],
        listener: EphemeralListener,
    ) -> None:
        self._listener = listener
        self._changed = changed
        self._moved = moved

    def count(self, entry: ReceiptRow) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[ReceiptRow]]) -> None:
        # One row for each key, because one statement cannot write a row twice on PostgreSQL.
        rows: dict[ReceiptKey, ReceiptRow] = {}
        for placed in batch:
            receipt = placed.entry
            earlier = rows.get(receipt.key)
            if earlier is None or supersedes(receipt.event_position, earlier.event_position):
                rows[receipt.key] = receipt._replace(position=placed.position)
        upsert_receipts(txn, list(rows.values()))

    def stored(self, batch: Sequence[Placed[ReceiptRow]]) -> Iterable[Topic]:
        for placed in batch:
            key = placed.entry.key
            self._changed.record(key.room_nid, placed.position)
            self._moved.record((key.room_nid, key.user_nid), placed.position)
            self._listener.receipt_moved(key, placed.entry.event_id, placed.entry.ts)
        return {_who_sees(placed.entry.key) for placed in batch}


def _who_sees(key: ReceiptKey) -> Topic:
    return ("user", key.user_nid) if key.type == READ_PRIVATE else ("room", key.room_nid)


class Receipts:
    """Keeps the receipts of local and remote users.

    A change wakes the topic ("room", short id), a private one ("user", short id).
    """

    def __init__(self, journal: Journal, listener: EphemeralListener) -> None:
        self._journal = journal
        self._changed: LastChanged[int] = LastChanged()
        self._moved: LastChanged[tuple[int, int]] = LastChanged()
        self._kind = _ReceiptKind(self._changed, self._moved, listener)

    def start_at(self, position: int) -> None:
        """Called once the journal has started: changes up to `position` are only in the database."""
        self._changed.start_at(position)
        self._moved.start_at(position)

    def changed_after(self, room_nid: int, position: int) -> bool:
        """Whether any receipt in the room may have moved after `position`."""
        return self._changed.after(room_nid, position)

    def moved_after(self, room_nid: int, user_nid: int, position: int) -> bool:
        """Whether any of the user's receipts in the room may have moved after `position`."""
        return self._moved.after((room_nid, user_nid), position)

    def move(self, key: ReceiptKey, event_id: str, event_position: int, ts: int) -> Deferred[Position]:
        """Moves a receipt to an event, unless it is there or further on already.

        `event_position` is 0 where the event is not known here, as may be for remote users. `ts` is in ms.
        """
        return self._journal.append(self._kind, ReceiptRow(key, event_id, event_position, ts, position=0))
