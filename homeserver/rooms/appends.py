"""How events are stored: those of a room's timeline with all that follows from them, and those beside it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

from homeserver.protocol.errors import RemoteFailed
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID, RoomID, ServerName, UserID
from homeserver.protocol.room_versions import EventIDForm
from homeserver.rooms.graph.vertices import Aside, Vertex
from homeserver.rooms.graph.writing import NOWHERE, EventNids, on_fork, write_asides, write_edges, write_forks
from homeserver.rooms.store.events import (
    EventRow,
    enter_timeline,
    insert_bodies,
    insert_events,
    rooms_of_events,
)
from homeserver.rooms.store.graph import add_missing, delete_refusals, remove_missing
from homeserver.rooms.store.heads import HeadRow, heads_by_nid, insert_heads, update_heads
from homeserver.rooms.store.spans import OPEN, Span, close_spans, insert_spans
from homeserver.rooms.store.transactions import TransactionKey, insert_transactions, made_events
from homeserver.runtime.clock import Clock
from homeserver.runtime.metrics import EVENTS_ACCEPTED
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Placed, Topic


class StaleHead(Exception):
    """The room moved on before the event was stored; build it again on the new head."""


class EventIDTaken(RemoteFailed):
    """An event of another room has the ID, which in room versions 1 and 2 its server gives it."""


class AlreadySent(Exception):
    """The transaction ID has made an event before."""

    def __init__(self, event_id: EventID) -> None:
        super().__init__(event_id)
        self.event_id = event_id


@dataclass(slots=True)
class StateChange:
    """What becomes of one slot of a room's current state: `event` stands in it from now on, None: nothing does.

    `slot` is a short id, and `target` that of the user whose membership it is. `takes_place` says that something
    stood there. `from_line` is where on the line the event begins to hold, if that is not where its cause is. `nid` is
    the number of the event, or of its cause where there is none; known once that is stored.
    """

    slot: int
    event: Event | None
    target: int | None
    takes_place: bool
    from_line: int | None = None
    nid: int = 0

    @property
    def user_id(self) -> UserID | None:
        """Whose membership it is; None where no event stands in the slot to tell, and only `target` is known."""
        if self.target is None or self.event is None or self.event.state_key is None:
            return None
        return UserID(self.event.state_key)

    @property
    def membership(self) -> str:
        """The user's from now on."""
        return (None if self.event is None else self.event.membership) or "leave"


@dataclass(slots=True, kw_only=True)
class Accepted(Vertex):
    """An authorised event on its way into the timeline of its room.

    `changes` is what it does to the room's current state: a state event usually takes its slot, but where branches
    of the room meet, other slots change too, and an event may lose its own at once. `replaces` is what was in the
    event's slot before it. One that was not `known`, beside the timeline, has its `position` for a number, which it is
    given when it is stored. One that `is_late` may be named by events that came before it; of what one that
    `is_behind_gap` follows, something is not here.
    One that `is_told_again` was stored before, and only its changes are news.
    With one that enters a room without its members come the `servers` that are in it, each with 1, to count as one of
    their users, or -1 when those are known.
    """

    state_before: int
    state_after: int
    changes: Sequence[StateChange] = ()
    replaces: Event | None = None
    transaction: TransactionKey | None = None
    is_late: bool = False
    is_behind_gap: bool = False
    is_told_again: bool = False
    servers: Mapping[ServerName, int] = field(default_factory=dict)
    position: int = 0


class Projection(Protocol):
    """A read model that changes in the same transaction as its cause. Listed in `homeserver.app`.

    What is derived from the room's state follows the `changes` of the events, not the events.
    """

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Writes what the events mean for this read model; runs in the writer's thread, perhaps twice."""

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        """After the commit, in the reactor's thread: brings caches up to date, names topics to wake."""


@dataclass(slots=True)
class Append:
    """Events of one room that follow each other, built on a head that had `expected` as its extremities.

    `asides` are stored before them and beside the timeline. A new room has no `room` yet and expects nothing;
    without `head` the room does not move. Where `missing` events that the first one names are not here, `gap`
    positions before it stay free for them.
    """

    room: int | None
    room_id: RoomID
    expected: tuple[EventID, ...]
    events: Sequence[Accepted]
    head: HeadRow | None
    asides: Sequence[Aside] = ()
    gap: int = 0
    missing: Collection[EventID] = ()

    def assigned_ids(self) -> Iterator[EventID]:
        """The IDs that are no hashes, so that others may have been given the same."""
        for vertex in (*self.asides, *self.events):
            if vertex.event.version.event_ids is EventIDForm.ASSIGNED:
                yield vertex.event.event_id

    def number(self, first: int, last: int) -> int:
        """Gives the events their numbers between two positions; the room's short id."""
        vertices: Sequence[Vertex] = (*self.asides, *self.events)
        room = first if self.room is None else self.room
        for vertex in vertices:
            vertex.room = room
        for offset, aside in enumerate(self.asides):
            aside.nid = first + offset
        for offset, event in enumerate(reversed(self.events)):
            event.position = last - offset
            event.nid = event.position if event.known is None else event.known
        return room


class RoomAppends:
    """How appends are stored (an EntryKind): batches of all rooms in a handful of statements."""

    def __init__(self, clock: Clock, projections: Sequence[Projection]) -> None:
        self._clock = clock
        self._projections = projections

    def count(self, entry: Append) -> int:
        return len(entry.asides) + entry.gap + len(entry.events)

    def store(self, txn: Transaction, batch: Sequence[Placed[Append]]) -> None:
        self._check(txn, batch)
        appends = [placed.entry for placed in batch if placed.refused is None]
        asides = [aside for append in appends for aside in append.asides]
        events = [event for append in appends for event in append.events]
        _store_heads(txn, appends)
        write_asides(txn, asides)
        if events:
            self._store_events(txn, events, asides)
        elif asides:
            write_edges(txn, asides, EventNids(txn, asides, _cited(asides)))
        write_forks(txn, [one for aside in asides for one in on_fork(aside, NOWHERE)])
        write_forks(txn, [one for event in events for one in on_fork(event, event.state_after)])
        _store_gaps(txn, appends)

    def stored(self, batch: Sequence[Placed[Append]]) -> Iterable[Topic]:
        events = [event for placed in batch for event in placed.entry.events]
        EVENTS_ACCEPTED.inc(len(events))
        topics: set[Topic] = {("room", event.room) for event in events}
        for projection in self._projections:
            topics.update(projection.projected(events))
        return topics

    def _check(self, txn: Transaction, batch: Sequence[Placed[Append]]) -> None:
        """Refuses what was built on another head than the room has, was sent before, or takes another event's ID.

        Numbers the rest.
        """
        known = [placed.entry.room for placed in batch if placed.entry.room is not None]
        heads = {nid: row.extremities for nid, row in heads_by_nid(txn, known).items()}
        sent = made_events(txn, [key for placed in batch for key in _transactions(placed.entry)])
        taken = _assigned_ids(txn, [placed.entry for placed in batch])
        for placed in batch:
            entry = placed.entry
            repeated = next((sent[key] for key in _transactions(entry) if key in sent), None)
            moves = entry.head is not None and entry.room is not None
            if repeated is not None:
                placed.refused = AlreadySent(repeated)
            elif moves and entry.room is not None and heads.get(entry.room) != entry.expected:
                placed.refused = StaleHead(entry.room_id)
            elif any(taken.get(event_id, entry.room) != entry.room for event_id in entry.assigned_ids()):
                placed.refused = EventIDTaken("An event of another room has the event's ID")
            else:
                room = entry.number(placed.first, placed.position)
                if entry.head is not None:
                    heads[room] = entry.head.extremities

    def _store_events(self, txn: Transaction, events: Sequence[Accepted], asides: Sequence[Aside]) -> None:
        nids = EventNids(txn, (*asides, *events), {*_cited((*asides, *events)), *_in_changes(events)})
        rows = [_row(event, nids) for event in events]
        known = [row for row, event in zip(rows, events, strict=True) if event.known is not None]
        if known:
            enter_timeline(txn, [row.entrance() for row in known])
            delete_refusals(txn, [row.nid for row in known])
        new = [(row, event) for row, event in zip(rows, events, strict=True) if event.known is None]
        insert_events(txn, [row for row, _ in new])
        insert_bodies(txn, [(event.nid, event.client, event.federation) for _, event in new])
        write_edges(txn, (*asides, *events), nids)
        _store_spans(txn, events, nids)
        _end_gaps(txn, events)
        made = [(event.transaction, event.event.event_id) for event in events if event.transaction]
        if made:
            insert_transactions(txn, made, self._clock.now_ms())
        for projection in self._projections:
            projection.project(txn, events)


def _transactions(entry: Append) -> list[TransactionKey]:
    return [event.transaction for event in entry.events if event.transaction is not None]


def _assigned_ids(txn: Transaction, appends: Sequence[Append]) -> dict[EventID, int]:
    """The rooms that have events of these IDs."""
    assigned = {event_id for append in appends for event_id in append.assigned_ids()}
    return rooms_of_events(txn, assigned) if assigned else {}


def _cited(vertices: Iterable[Vertex]) -> Iterator[EventID]:
    for vertex in vertices:
        if vertex.event.is_state:
            yield from vertex.event.auth_events


def _in_changes(events: Iterable[Accepted]) -> Iterator[EventID]:
    for event in events:
        if event.replaces is not None:
            yield event.replaces.event_id
        yield from (change.event.event_id for change in event.changes if change.event is not None)


def _store_heads(txn: Transaction, appends: Sequence[Append]) -> None:
    newest: dict[int, HeadRow] = {}
    new_rooms: list[HeadRow] = []
    for append in appends:
        if append.head is None:
            continue
        room = append.events[0].room
        if append.room is None:
            new_rooms.append(append.head._replace(nid=room))
        else:
            newest[room] = append.head
    if new_rooms:
        insert_heads(txn, new_rooms)
    if newest:
        update_heads(txn, list(newest.values()))


def _end_gaps(txn: Transaction, events: Sequence[Accepted]) -> None:
    for room, late in groupby(sorted((one for one in events if one.is_late), key=_room_of), _room_of):
        remove_missing(txn, room, [one.event.event_id for one in late])


def _room_of(event: Accepted) -> int:
    return event.room


def _store_gaps(txn: Transaction, appends: Sequence[Append]) -> None:
    for append in appends:
        if append.missing:
            first = append.events[0]
            add_missing(txn, first.room, append.missing, first.position)


def _row(accepted: Accepted, nids: EventNids) -> EventRow:
    event, short_ids = accepted.event, accepted.short_ids
    return EventRow(
        nid=accepted.nid,
        event_id=event.event_id,
        room=accepted.room,
        position=accepted.position,
        type=short_ids.type,
        slot=short_ids.slot,
        sender=short_ids.sender,
        depth=event.depth,
        origin_server_ts=event.origin_server_ts,
        state_before=accepted.state_before,
        state_after=accepted.state_after,
        replaces=None if accepted.replaces is None else nids.get(accepted.replaces.event_id),
        on_fork=accepted.fork is not None,
    )


def _store_spans(txn: Transaction, events: Sequence[Accepted], nids: EventNids) -> None:
    """Opens a span for each change of state and closes the one before it, which may be of the same batch."""
    open_spans: dict[tuple[int, int], Span] = {}
    closed: list[tuple[int, int, int]] = []
    spans: list[Span] = []
    for event in events:
        for change in event.changes:
            earlier = open_spans.pop((event.room, change.slot), None)
            if earlier is not None:
                spans.append(earlier._replace(to_line=event.state_after))
            elif change.takes_place:
                closed.append((event.room, change.slot, event.state_after))
            change.nid = event.nid if change.event is None else nids[change.event.event_id]
            if change.event is not None:
                line = event.state_after if change.from_line is None else change.from_line
                open_spans[event.room, change.slot] = Span(event.room, change.slot, line, OPEN, change.nid)
    spans.extend(open_spans.values())
    if closed:
        close_spans(txn, closed)
    if spans:
        insert_spans(txn, spans)
