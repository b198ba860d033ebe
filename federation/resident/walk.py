"""Walking back through the events of a room, as other servers ask for its history.

https://spec.matrix.org/v1.19/server-server-api/#backfilling-and-retrieving-missing-events
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice

from federation.resident.timeline import Row, newest_of, rows_upto, soft_failed
from federation.resident.visibility import hidden_events
from homeserver.protocol.identifiers import EventID, ServerName
from homeserver.rooms.graph.auth_graph import RoomKey
from homeserver.storage.engine import Transaction

_PAGE = 100
# Where a room has branches, or gaps, most events may be none of those that are asked for.
_MOST_PAGES = 10


def backfill(
    txn: Transaction, room: RoomKey, server: ServerName, start: Collection[EventID], limit: int
) -> list[bytes]:
    """The events of `start` and those before them as PDUs, newest first; hidden ones as redactions leave them."""
    rows = list(islice(_Walk(txn, room, start).rows(), limit))
    return _shown(txn, room, server, rows)


def events_between(
    txn: Transaction,
    room: RoomKey,
    server: ServerName,
    latest: Collection[EventID],
    earliest: Collection[EventID],
    min_depth: int,
    limit: int,
) -> list[bytes]:
    """The events before `latest` and neither before nor among `earliest` as PDUs, oldest first."""
    walk = _Walk(txn, room, latest, earliest)
    rows = (row for row in walk.rows() if row.event_id not in latest and row.depth >= min_depth)
    return _shown(txn, room, server, list(islice(rows, limit))[::-1])


def _shown(txn: Transaction, room: RoomKey, server: ServerName, rows: Sequence[Row]) -> list[bytes]:
    hidden = hidden_events(txn, room.nid, server, [row.sighted for row in rows])
    return [row.stored.pdu(room, hidden=row.stored.nid in hidden) for row in rows]


class _Walk:
    """From some events to what they follow, newest first; not through those where it ends.

    It reads the timeline backwards, in which whatever an event follows comes before it, and passes over branches.
    """

    def __init__(
        self, txn: Transaction, room: RoomKey, start: Collection[EventID], end: Collection[EventID] = ()
    ) -> None:
        self._txn = txn
        self._room = room
        self._wanted: set[EventID] = set()
        self._end = frozenset(end)
        # Soft-failed events are in no timeline, but what comes before them is.
        self._refused: dict[EventID, Sequence[EventID]] = {}
        self._start = frozenset(start)

    def rows(self) -> Iterator[Row]:
        upto = newest_of(self._txn, self._room.nid, self._start)
        self._load_refused(self._start)
        self._want(self._start)
        for _ in range(_MOST_PAGES):
            if upto is None or not self._wanted:
                return
            page = rows_upto(self._txn, self._room.nid, upto, _PAGE)
            self._load_refused(
                {one for row in page for one in row.prev_events} - {row.event_id for row in page}
            )
            for row in page:
                if row.event_id in self._wanted:
                    self._wanted.discard(row.event_id)
                    self._want(row.prev_events)
                    yield row
            upto = page[-1].position - 1 if len(page) == _PAGE else None

    def _want(self, event_ids: Iterable[EventID]) -> None:
        pending = set(event_ids) - self._end
        while pending:
            event_id = pending.pop()
            if event_id in self._refused:
                pending |= set(self._refused.pop(event_id)) - self._end
            else:
                self._wanted.add(event_id)

    def _load_refused(self, event_ids: AbstractSet[EventID]) -> None:
        pending = event_ids - self._refused.keys()
        while pending:
            found = soft_failed(self._txn, self._room.nid, pending)
            self._refused |= found
            pending = {one for prevs in found.values() for one in prevs} - self._refused.keys()
