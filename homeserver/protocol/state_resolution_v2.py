"""State resolution of room versions 2 to 11, and 2.1, which is that of 12.

https://spec.matrix.org/v1.19/rooms/v2/#state-resolution, https://spec.matrix.org/v1.19/rooms/v12/#state-resolution

Where all implementations in use take the text in the same way, so does this one, as servers that resolve
differently split the room. See `is_power_event`, `_power_events_first` and `AuthGraph.auth_difference`.
"""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TypeAlias

from homeserver.protocol.auth_graph import AuthGraph, auth_event_ids
from homeserver.protocol.event import Event, Slot
from homeserver.protocol.event_auth import AuthRejected, check_auth
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.power_levels import CREATE, POWER_LEVELS, PowerLevels, UnreadableLevel

StateIDs: TypeAlias = Mapping[Slot, EventID]


def resolve_v2(
    state_sets: Sequence[Set[EventID]], unconflicted: StateIDs, graph: AuthGraph, *, from_empty: bool
) -> dict[Slot, EventID]:
    """The resolved state without `unconflicted`, which all states have.

    `state_sets` are the conflicted events of each state. `from_empty` makes it version 2.1.
    """
    conflicted = set().union(*state_sets)
    full_conflicted = conflicted | graph.auth_difference(state_sets, unconflicted)
    if from_empty:
        full_conflicted |= graph.conflicted_subgraph(conflicted)
    events = {event_id: graph.event(event_id) for event_id in full_conflicted}
    power_events = _with_chains(filter(is_power_event, events.values()), events)
    state = _GrowingState({} if from_empty else unconflicted, graph)
    state.apply(_reverse_topological_power_order(power_events, graph))
    others = [event for event_id, event in events.items() if event_id not in power_events]
    state.apply(_mainline_order(others, state.id_at(POWER_LEVELS), graph))
    return {slot: event_id for slot, event_id in state.resolved.items() if slot not in unconflicted}


def is_power_event(event: Event) -> bool:
    """Whether the event could take somebody's right to do something.

    The specification does not ask for the empty state key, but implementations do.
    """
    if event.type == "m.room.member":
        return event.membership in {"leave", "ban"} and event.sender != event.state_key
    return event.slot in _POWER_SLOTS


_POWER_SLOTS = {POWER_LEVELS, ("m.room.join_rules", ""), CREATE}


def _with_chains(starts: Iterable[Event], among: Mapping[EventID, Event]) -> dict[EventID, Event]:
    """The events and what is in their auth chains, as far as it is reached without leaving `among`.

    The specification says "in the auth chain", also by way of other events, but implementations do this.
    """
    reached = {event.event_id: event for event in starts}
    pending = list(reached.values())
    while pending:
        for event_id in auth_event_ids(pending.pop()):
            event = among.get(event_id)
            if event is not None and event_id not in reached:
                reached[event_id] = event
                pending.append(event)
    return reached


class _GrowingState:
    """The state of the iterative auth checks: events that it allows become part of it."""

    def __init__(self, base: StateIDs, graph: AuthGraph) -> None:
        self.resolved: dict[Slot, EventID] = {}
        self._base = base
        self._graph = graph

    def id_at(self, slot: Slot) -> EventID | None:
        return self.resolved.get(slot) or self._base.get(slot)

    def apply(self, events: Iterable[Event]) -> None:
        for event in events:
            try:
                check_auth(event, _StateFor(event, self, self._graph))
            except AuthRejected:
                continue
            self.resolved[event.slot] = event.event_id


class _StateFor:
    """The state as one event is checked against it: what it lacks comes from the event's own auth events."""

    def __init__(self, event: Event, state: _GrowingState, graph: AuthGraph) -> None:
        self._event = event
        self._state = state
        self._graph = graph
        self._cited: dict[Slot, Event] | None = None

    def get(self, slot: Slot, /) -> Event | None:
        event_id = self._state.id_at(slot)
        if event_id is not None:
            return self._graph.event(event_id)
        if self._cited is None:
            self._cited = _cited_events(self._event, self._graph)
        cited = self._cited.get(slot)
        return None if cited is None or self._graph.is_rejected(cited.event_id) else cited


def _cited_events(event: Event, graph: AuthGraph) -> dict[Slot, Event]:
    return {cited.slot: cited for cited in map(graph.event, auth_event_ids(event))}


def _reverse_topological_power_order(events: Mapping[EventID, Event], graph: AuthGraph) -> list[Event]:
    """Events after those that authorise them, and among those that could be next the most powerful first.

    Kahn's algorithm; https://spec.matrix.org/v1.19/rooms/v2/#definitions
    """
    cited_by: dict[EventID, list[Event]] = {event_id: [] for event_id in events}
    waits_for: dict[EventID, int] = {}
    for event_id, event in events.items():
        cited = {cited for cited in auth_event_ids(event) if cited in events}
        waits_for[event_id] = len(cited)
        for cited_id in cited:
            cited_by[cited_id].append(event)
    ready = [_power_key(event, graph) for event_id, event in events.items() if not waits_for[event_id]]
    heapq.heapify(ready)
    ordered = []
    while ready:
        *_, event_id = heapq.heappop(ready)
        ordered.append(events[event_id])
        for later in cited_by[event_id]:
            waits_for[later.event_id] -= 1
            if not waits_for[later.event_id]:
                heapq.heappush(ready, _power_key(later, graph))
    return ordered


def _power_key(event: Event, graph: AuthGraph) -> tuple[float, int, EventID]:
    return -_sender_level(event, graph), event.origin_server_ts, event.event_id


def _sender_level(event: Event, graph: AuthGraph) -> float:
    """The power level of the event's sender by the event's own auth events."""
    cited = _cited_events(event, graph)
    create = cited.get(CREATE)
    if create is None:
        return 0
    try:
        return PowerLevels(create, cited.get(POWER_LEVELS), event.version).user(event.sender)
    except UnreadableLevel:
        return 0


def _mainline_order(events: Iterable[Event], power_levels: EventID | None, graph: AuthGraph) -> list[Event]:
    """Events by how old the power levels are that they rest on, the oldest first.

    `power_levels` are those from which the mainline goes back; https://spec.matrix.org/v1.19/rooms/v2/#definitions
    """
    positions: dict[EventID, float] = {}
    while power_levels is not None and power_levels not in positions:
        positions[power_levels] = len(positions)
        power_levels = _cited_power_levels(graph.event(power_levels), graph)
    return sorted(
        events,
        key=lambda event: (
            -_mainline_position(event, positions, graph),
            event.origin_server_ts,
            event.event_id,
        ),
    )


def _mainline_position(event: Event, positions: dict[EventID, float], graph: AuthGraph) -> float:
    """Where the event's chain of power levels meets the mainline; what is found is added to `positions`."""
    passed = []
    power_levels = _cited_power_levels(event, graph)
    while power_levels is not None and power_levels not in positions:
        passed.append(power_levels)
        power_levels = _cited_power_levels(graph.event(power_levels), graph)
    position = math.inf if power_levels is None else positions[power_levels]
    positions.update(dict.fromkeys(passed, position))
    return position


def _cited_power_levels(event: Event, graph: AuthGraph) -> EventID | None:
    for event_id in auth_event_ids(event):
        if graph.event(event_id).slot == POWER_LEVELS:
            return event_id
    return None
