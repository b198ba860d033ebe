"""State resolution of room version 1.

https://spec.matrix.org/v1.19/rooms/v1/#state-resolution
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha1

from homeserver.protocol.auth_graph import AuthGraph
from homeserver.protocol.event import Event, Slot
from homeserver.protocol.event_auth import AuthRejected, check_auth
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.power_levels import POWER_LEVELS


def resolve_v1(
    conflicted: Mapping[Slot, Iterable[EventID]], unconflicted: Mapping[Slot, EventID], graph: AuthGraph
) -> dict[Slot, EventID]:
    """The winners of the conflicted slots."""
    resolved: dict[Slot, EventID] = {}
    for is_in_pass, choose in _PASSES:
        slots = [slot for slot in conflicted if slot not in resolved and is_in_pass(slot)]
        state = _State(dict(resolved), unconflicted, graph)
        # What wins one slot is unknown while another of the same pass is decided: their order is no matter.
        for slot in slots:
            resolved[slot] = choose([graph.event(event_id) for event_id in conflicted[slot]], state).event_id
    return resolved


class _State:
    """The state that conflicting events are checked against: of a slot in conflict, only what was decided."""

    def __init__(
        self, resolved: dict[Slot, EventID], unconflicted: Mapping[Slot, EventID], graph: AuthGraph
    ) -> None:
        self._resolved = resolved
        self._unconflicted = unconflicted
        self._graph = graph

    def get(self, slot: Slot, /) -> Event | None:
        event_id = self._resolved.get(slot) or self._unconflicted.get(slot)
        return None if event_id is None else self._graph.event(event_id)

    def with_event(self, event: Event) -> "_State":
        return _State({**self._resolved, event.slot: event.event_id}, self._unconflicted, self._graph)


def _last_allowed(events: Iterable[Event], state: _State) -> Event:
    """The end of the longest run from the shallowest event on in which each allows the next."""
    shallowest, *deeper = sorted(events, key=_from_deepest, reverse=True)
    last = shallowest
    for event in deeper:
        if not _is_allowed(event, state.with_event(last)):
            break
        last = event
    return last


def _deepest_allowed(events: Iterable[Event], state: _State) -> Event:
    ordered = sorted(events, key=_from_deepest)
    # The specification does not say which if none is allowed; the network takes the shallowest.
    return next((event for event in ordered if _is_allowed(event, state)), ordered[-1])


def _from_deepest(event: Event) -> tuple[int, str]:
    return -event.depth, sha1(event.event_id.encode()).hexdigest()


def _is_allowed(event: Event, state: _State) -> bool:
    try:
        check_auth(event, state)
    except AuthRejected:
        return False
    return True


_PASSES: tuple[tuple[Callable[[Slot], bool], Callable[[Iterable[Event], _State], Event]], ...] = (
    (lambda slot: slot == POWER_LEVELS, _last_allowed),
    (lambda slot: slot[0] == "m.room.join_rules", _last_allowed),
    (lambda slot: slot[0] == "m.room.member", _last_allowed),
    (lambda slot: True, _deepest_allowed),
)
