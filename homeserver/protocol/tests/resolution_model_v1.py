"""State resolution of room version 1 as the specification words it: what ours must agree with.

https://spec.matrix.org/v1.19/rooms/v1/#state-resolution. Three places are marked in which implementations in use
read the text in another way, or it is silent.
"""

from collections.abc import Callable, Sequence
from hashlib import sha1

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.event_auth import AuthRejected, check_auth
from homeserver.protocol.identifiers import EventID

State = dict[Slot, Event]


class ModelV1:
    def __init__(self, events: dict[EventID, Event]) -> None:
        self.events = events

    def resolve(self, states: Sequence[dict[Slot, EventID]]) -> dict[Slot, EventID]:
        conflicts: dict[Slot, list[Event]] = {}
        resolved: State = {}
        for slot in {slot for state in states for slot in state}:
            held = {state[slot] for state in states if slot in state}
            if len(held) > 1:
                conflicts[slot] = [self.events[event_id] for event_id in held]
            else:
                resolved[slot] = self.events[held.pop()]
        # Read otherwise: power levels with another state key than the empty one are as any other events.
        self.resolve_in_turn(conflicts, resolved, lambda slot: slot == ("m.room.power_levels", ""))
        self.resolve_in_turn(conflicts, resolved, lambda slot: slot[0] == "m.room.join_rules")
        self.resolve_in_turn(conflicts, resolved, lambda slot: slot[0] == "m.room.member")
        resolved |= {slot: self.deepest_allowed(events, resolved) for slot, events in conflicts.items()}
        return {slot: event.event_id for slot, event in resolved.items()}

    def resolve_in_turn(
        self, conflicts: dict[Slot, list[Event]], resolved: State, is_meant: Callable[[Slot], bool]
    ) -> None:
        # Read otherwise: conflicts of the same kind do not see what the others became.
        before = dict(resolved)
        for slot in [slot for slot in conflicts if is_meant(slot)]:
            first, *others = sorted(conflicts.pop(slot), key=lambda event: (event.depth, -self.sha1(event)))
            state = {**before, slot: first}
            for event in others:
                if not self.is_allowed(event, state):
                    break
                state[slot] = event
            resolved[slot] = state[slot]

    def deepest_allowed(self, events: list[Event], state: State) -> Event:
        descending = sorted(events, key=lambda event: (-event.depth, self.sha1(event)))
        allowed = [event for event in descending if self.is_allowed(event, state)]
        # Silent: if none is allowed, it is the last.
        return (allowed or descending[-1:])[0]

    def sha1(self, event: Event) -> int:
        return int.from_bytes(sha1(event.event_id.encode()).digest(), "big")

    def is_allowed(self, event: Event, state: State) -> bool:
        try:
            check_auth(event, state)
        except AuthRejected:
            return False
        return True
