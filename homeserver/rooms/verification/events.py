"""Reading the events of one room, of which a limited number stays in memory."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from homeserver.protocol.errors import MatrixError
from homeserver.protocol.event import Slot
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.room_versions import room_version
from homeserver.rooms.graph.auth_graph import RoomKey, UnknownEvents
from homeserver.rooms.store.events import event_nids
from homeserver.rooms.store.graph import GraphEvent, graph_events
from homeserver.rooms.store.heads import HeadRow
from homeserver.rooms.store.removals import sent_before
from homeserver.rooms.store.whole_rooms import (
    StoredEvent,
    nids_beside_timeline,
    stored_events,
    timeline_after,
)
from homeserver.rooms.verification.stored import Unreadable, read_event
from homeserver.storage.engine import Transaction

PAGE = 200
_KEPT = 1_000
"""Events in memory; others are read again when they are asked for."""
_BEFORE_ALL = -(2**62)


class Undecided(Exception):
    """Not all that has to be looked at is still there, or readable."""


@contextmanager
def deciding() -> Iterator[None]:
    """Raises Undecided for whatever damaged rows lead to."""
    try:
        yield
    except (UnknownEvents, MatrixError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Undecided from error


class Known(NamedTuple):
    """An event as far as it can be read."""

    row: StoredEvent
    event: Event | None

    @property
    def slot(self) -> Slot | None:
        """As its row says where the event itself cannot be read."""
        row, event = self
        if event is not None:
            return event.slot if event.is_state else None
        return None if row.slot_type is None or row.state_key is None else (row.slot_type, row.state_key)


class RoomEvents:
    """The events of one room within one transaction."""

    def __init__(self, txn: Transaction, head: HeadRow) -> None:
        self.room = RoomKey(head.nid, head.room_id, room_version(head.version))
        self._txn = txn
        self._kept: OrderedDict[int, Known] = OrderedDict()
        self._near: dict[EventID, GraphEvent] = {}

    def timeline(self) -> Iterator[list[Known]]:
        """Pages of the timeline, oldest first."""
        after = _BEFORE_ALL
        while page := timeline_after(self._txn, self.room.nid, after, PAGE):
            yield self._page(page)
            position = page[-1].position
            assert position is not None, "what has no position is in no timeline"
            after = position

    def beside(self) -> Iterator[list[Known]]:
        """Pages of the events beside the timeline, in the order of their short ids."""
        nids = nids_beside_timeline(self._txn, self.room.nid)
        for start in range(0, len(nids), PAGE):
            yield self._page(stored_events(self._txn, nids[start : start + PAGE]))

    def read(self, row: StoredEvent) -> Event:
        """Raises Unreadable."""
        return read_event(row, self.room.room_id, self.room.version)

    def known(self, nid: int) -> Known:
        """Raises Undecided where there is no such event in the room."""
        if nid not in self._kept:
            self._load([nid])
        if nid not in self._kept:
            raise Undecided
        return self._kept[nid]

    def several(self, nids: Collection[int]) -> Iterator[Known]:
        """Those of the events that are in the room, a page of them at a time."""
        ordered = sorted(nids)
        for start in range(0, len(ordered), PAGE):
            for row in stored_events(self._txn, ordered[start : start + PAGE]):
                if row.room == self.room.nid:
                    yield self._known(row)

    def by_ids(self, event_ids: Collection[EventID]) -> dict[EventID, Known]:
        """Those of the events that are here and in this room."""
        found = event_nids(self._txn, list(event_ids)) if event_ids else {}
        self._load(nid for nid in found.values() if nid not in self._kept)
        return {event_id: self._kept[nid] for event_id, nid in found.items() if nid in self._kept}

    def is_elsewhere(self, event_id: EventID) -> bool:
        """Whether the event is here, be it in this room or in another."""
        return bool(event_nids(self._txn, [event_id]))

    def sent_before(self, user: int, position: int) -> list[tuple[int, bool]]:
        """What a user sent before a position, as `store.removals.sent_before` tells of it."""
        return sent_before(self._txn, self.room.nid, user, position)

    def near(self, event_ids: Iterable[EventID]) -> dict[EventID, GraphEvent]:
        """The events of this room among those named, as vertices of its graph."""
        wanted = set(event_ids)
        missing = wanted - self._near.keys()
        if missing:
            found = graph_events(self._txn, missing)
            self._near |= {one: vertex for one, vertex in found.items() if vertex.room == self.room.nid}
        return {event_id: self._near[event_id] for event_id in wanted if event_id in self._near}

    def forget_near(self) -> None:
        """To be told when the rows of the room's events were changed."""
        self._near.clear()

    def _page(self, rows: list[StoredEvent]) -> list[Known]:
        page = [self._known(row) for row in rows]
        self._near.clear()
        self.near(prev for known in page if known.event is not None for prev in known.event.prev_events)
        return page

    def _load(self, nids: Iterable[int]) -> None:
        for row in stored_events(self._txn, list(nids)):
            if row.room == self.room.nid:
                self.keep(self._known(row))

    def _known(self, row: StoredEvent) -> Known:
        try:
            return Known(row, self.read(row))
        except Unreadable:
            return Known(row, None)

    def keep(self, known: Known) -> None:
        """Of what is going to be asked for."""
        self._kept[known.row.nid] = known
        self._kept.move_to_end(known.row.nid)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
