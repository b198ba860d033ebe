"""State resolution: one state from the several that the branches of a room lead to.

https://spec.matrix.org/v1.19/server-server-api/#room-state-resolution
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from homeserver.protocol.auth_graph import AuthGraph
from homeserver.protocol.event import Slot
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.room_versions import RoomVersion, StateResolution
from homeserver.protocol.state_resolution_v1 import resolve_v1
from homeserver.protocol.state_resolution_v2 import StateIDs, resolve_v2

_NOTHING: StateIDs = MappingProxyType({})


def resolve(
    version: RoomVersion, state_sets: Sequence[StateIDs], graph: AuthGraph, agreed: StateIDs = _NOTHING
) -> dict[Slot, EventID]:
    """The resolution of several states of a room.

    Each state has what is in one of `state_sets` and all of `agreed`, which has none of their slots. `agreed`
    is only looked things up in, so a caller who knows where states differ pays for the difference alone. The
    answer is the resolved state without `agreed`.
    """
    algorithm = version.state_resolution
    unconflicted, conflicted = _separate(state_sets, absence_conflicts=algorithm is not StateResolution.V1)
    if not conflicted:
        return unconflicted
    base = _Layered(unconflicted, agreed) if unconflicted else agreed
    if algorithm is StateResolution.V1:
        resolved = resolve_v1(conflicted, base, graph)
    else:
        by_state = [_events_at(conflicted, state) for state in state_sets]
        resolved = resolve_v2(by_state, base, graph, from_empty=algorithm is StateResolution.V2_1)
    return resolved | unconflicted


def _separate(
    state_sets: Sequence[StateIDs], *, absence_conflicts: bool
) -> tuple[dict[Slot, EventID], dict[Slot, set[EventID]]]:
    """What all states agree on, and the events of every other slot."""
    unconflicted: dict[Slot, EventID] = {}
    conflicted: dict[Slot, set[EventID]] = {}
    for slot in dict.fromkeys(slot for state in state_sets for slot in state):
        held = [state[slot] for state in state_sets if slot in state]
        events = set(held)
        if len(events) > 1 or (absence_conflicts and len(held) < len(state_sets)):
            conflicted[slot] = events
        else:
            unconflicted[slot] = held[0]
    return unconflicted, conflicted


def _events_at(slots: Mapping[Slot, object], state: StateIDs) -> set[EventID]:
    return {state[slot] for slot in slots if slot in state}


class _Layered(Mapping[Slot, EventID]):
    """Two maps without a slot in common, looked at as one, as copying the larger would cost."""

    def __init__(self, one: StateIDs, other: StateIDs) -> None:
        self._one = one
        self._other = other

    def __getitem__(self, slot: Slot) -> EventID:
        return self._one[slot] if slot in self._one else self._other[slot]

    def __iter__(self) -> Iterator[Slot]:
        yield from self._one
        yield from self._other

    def __len__(self) -> int:
        return len(self._one) + len(self._other)
