"""Writing what makes a room a graph: edges between events, states on forks, events beside the timeline, gaps."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID
from homeserver.rooms.graph.resolution import State
from homeserver.rooms.graph.vertices import Aside, Fork, Vertex
from homeserver.rooms.store.events import EventRow, event_nids, insert_bodies, insert_events
from homeserver.rooms.store.graph import (
    EventStates,
    cited_by,
    insert_auth_edges,
    insert_event_states,
    insert_refusals,
)
from homeserver.rooms.store.overrides import HIGHEST, OverrideRow, StateRef, insert_overrides
from homeserver.storage.engine import Transaction

NOWHERE = 0
"""On the state line, of an event beside the timeline; its states, if known, are in room_event_state."""


class EventNids:
    """Short ids of events that others of a batch refer to: from the batch itself, else from the table."""

    def __init__(self, txn: Transaction, batch: Iterable[Vertex], others: Iterable[EventID]) -> None:
        self._nids = {vertex.event.event_id: vertex.nid for vertex in batch}
        missing = {event_id for event_id in others if event_id not in self._nids}
        if missing:
            self._nids |= event_nids(txn, list(missing))

    def get(self, event_id: EventID) -> int | None:
        """None where the event is not here."""
        return self._nids.get(event_id)

    def __getitem__(self, event_id: EventID) -> int:
        return self._nids[event_id]


def write_asides(txn: Transaction, asides: Sequence[Aside]) -> None:
    """Those that are here already keep their numbers, which the ones of the batch take over."""
    if not asides:
        return
    known = event_nids(txn, [aside.event.event_id for aside in asides])
    came_at = {aside.event.event_id: aside.nid for aside in asides}
    for aside in asides:
        aside.known = known.get(aside.event.event_id)
        if aside.known is not None:
            aside.nid = aside.known
    new = [aside for aside in asides if aside.known is None]
    insert_events(txn, [_row(aside) for aside in new])
    insert_bodies(txn, [(aside.nid, aside.client, aside.federation) for aside in new])
    insert_refusals(
        txn,
        [
            (aside.nid, came_at[aside.event.event_id], aside.refusal.soft, aside.refusal.reason)
            for aside in asides
            if aside.refusal
        ],
    )


def _row(aside: Aside) -> EventRow:
    return EventRow(
        nid=aside.nid,
        event_id=aside.event.event_id,
        room=aside.room,
        position=None,
        type=aside.short_ids.type,
        slot=aside.short_ids.slot,
        sender=aside.short_ids.sender,
        depth=aside.event.depth,
        origin_server_ts=aside.event.origin_server_ts,
        state_before=NOWHERE,
        state_after=NOWHERE,
        replaces=None,
    )


def write_edges(txn: Transaction, vertices: Iterable[Vertex], nids: EventNids) -> None:
    """From state events to those that authorise them, but for the create event, whose number is the room's."""
    citing = [vertex for vertex in vertices if vertex.event.is_state]
    known = [vertex.nid for vertex in citing if vertex.known is not None]
    # Of what those cite, some may have come only now.
    here = cited_by(txn, known) if known else {}
    edges = []
    for vertex in citing:
        cited = set(map(nids.get, vertex.event.auth_events))
        cited.difference_update((None, vertex.room), here.get(vertex.nid, ()))
        edges += [(nid, vertex.nid) for nid in cited if nid is not None]
    if edges:
        insert_auth_edges(txn, edges)


class OnFork(NamedTuple):
    """An event whose states are to be written.

    `slot` is the one that it takes, if any; `line` is where the room's line is after it.
    """

    nid: int
    room: int
    slot: int | None
    line: int
    fork: Fork


def on_fork(vertex: Vertex, line: int) -> Iterator[OnFork]:
    """The event, if its states are not those of the line."""
    if vertex.fork is not None:
        takes_slot = not (isinstance(vertex, Aside) and vertex.is_rejected)
        slot = vertex.short_ids.slot if takes_slot else None
        yield OnFork(vertex.nid, vertex.room, slot, line, vertex.fork)


def write_forks(txn: Transaction, events: Iterable[OnFork]) -> None:
    """Writes the states before and after events."""
    overrides: list[OverrideRow] = []
    states: dict[int, EventStates] = {}
    for event in events:
        before = _stored(event.fork.before, event, overrides)
        after = before if event.slot is None else _with_own(before, event, event.slot, overrides)
        after_ref = StateRef(event.line) if event.fork.after_is_current else _ref(after)
        states[event.nid] = EventStates(_ref(before), after_ref)
    if states:
        insert_overrides(txn, overrides)
        insert_event_states(txn, states)


def _ref(state: State) -> StateRef:
    return StateRef(state.line, state.override)


def _stored(state: State, event: OnFork, overrides: list[OverrideRow]) -> State:
    """The state with its changes written down, if they are not yet."""
    if not state.changes or state.override is not None:
        return state
    return _written(OverrideRow(2 * event.nid, event.room, None, 0, state.changes), state, overrides)


def _with_own(before: State, event: OnFork, slot: int, overrides: list[OverrideRow]) -> State:
    """The state after a state event, whose override rests on the one before it."""
    own = {slot: event.nid}
    after = State(before.line, {**before.changes, **own})
    number = 2 * event.nid + 1
    if before.height >= HIGHEST:
        return _written(OverrideRow(number, event.room, None, 0, after.changes), after, overrides)
    row = OverrideRow(number, event.room, before.override, before.height + 1, own)
    return _written(row, after, overrides)


def _written(row: OverrideRow, state: State, overrides: list[OverrideRow]) -> State:
    overrides.append(row)
    return State(state.line, state.changes, row.nid, row.height)
