"""State resolution 2 and 2.1 as the specification words it, however slow: what ours must agree with.

https://spec.matrix.org/v1.19/rooms/v12/#state-resolution. Three places are marked in which implementations in
use read the text in another way.
"""

from collections.abc import Sequence
from math import inf

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.event_auth import AuthRejected, check_auth
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.power_levels import PowerLevels
from homeserver.protocol.room_versions import StateResolution

POWER: Slot = ("m.room.power_levels", "")
CREATE: Slot = ("m.room.create", "")
State = dict[Slot, Event]


class Model:
    def __init__(self, events: dict[EventID, Event], rejected: frozenset[EventID] = frozenset()) -> None:
        self.events = events
        self.rejected = rejected
        self.create = next(event for event in events.values() if event.type == "m.room.create")
        self.is_2_1 = self.create.version.state_resolution is StateResolution.V2_1

    def auth_events(self, event: Event) -> list[Event]:
        cited = [self.events[event_id] for event_id in event.auth_events]
        if event.version.room_id_is_create_hash and event is not self.create:
            cited.append(self.create)
        return cited

    def auth_chain(self, event: Event) -> set[EventID]:
        # Read otherwise: the event counts to its chain.
        chain = {event.event_id}
        for cited in self.auth_events(event):
            chain |= self.auth_chain(cited)
        return chain

    def cited(self, event: Event, slot: Slot) -> Event | None:
        return next((cited for cited in self.auth_events(event) if cited.slot == slot), None)

    def resolve(self, states: Sequence[dict[Slot, EventID]]) -> dict[Slot, EventID]:
        slots = {slot for state in states for slot in state}
        unconflicted = {slot for slot in slots if len({state.get(slot) for state in states}) == 1}
        agreed = {slot: self.events[states[0][slot]] for slot in unconflicted}
        conflicted = {state[slot] for state in states for slot in state if slot not in unconflicted}
        full = self.full_conflicted_set(states, conflicted)
        first = {event for event in full if self.is_power_event(self.events[event])}
        first |= {event for event in full if any(self.is_in_chain_within(event, top, full) for top in first)}
        state: State = {} if self.is_2_1 else dict(agreed)
        for event in self.power_order([self.events[event] for event in first]):
            self.apply(event, state)
        for event in self.mainline_order([self.events[event] for event in full - first], state.get(POWER)):
            self.apply(event, state)
        return {slot: event.event_id for slot, event in {**state, **agreed}.items()}

    def full_conflicted_set(
        self, states: Sequence[dict[Slot, EventID]], conflicted: set[EventID]
    ) -> set[EventID]:
        nothing: set[EventID] = set()
        chains = [
            nothing.union(*(self.auth_chain(self.events[event]) for event in state.values()))
            for state in states
        ]
        full = conflicted | (chains[0].union(*chains) - chains[0].intersection(*chains))
        if self.is_2_1:
            # On a path between two conflicted events: one leads to it, and it leads to one.
            full |= {
                event
                for top in conflicted
                for event in self.auth_chain(self.events[top])
                if self.auth_chain(self.events[event]) & conflicted
            }
        return full

    def is_power_event(self, event: Event) -> bool:
        if event.type == "m.room.member":
            return event.membership in ("leave", "ban") and event.sender != event.state_key
        # Read otherwise: only with the empty state key, and create events too.
        return event.slot in {POWER, CREATE, ("m.room.join_rules", "")}

    def is_in_chain_within(self, event: EventID, top: EventID, full: set[EventID]) -> bool:
        # Read otherwise: by way of events of the full conflicted set alone.
        return event == top or any(
            self.is_in_chain_within(event, cited.event_id, full)
            for cited in self.auth_events(self.events[top])
            if cited.event_id in full
        )

    def power_order(self, events: list[Event]) -> list[Event]:
        ordered: list[Event] = []
        while len(ordered) < len(events):
            left = [event for event in events if event not in ordered]
            ready = [event for event in left if not any(cited in left for cited in self.auth_events(event))]
            ordered.append(min(ready, key=self.power_key))
        return ordered

    def power_key(self, event: Event) -> tuple[float, int, EventID]:
        if event is self.create:
            return 0, event.origin_server_ts, event.event_id
        levels = PowerLevels(self.create, self.cited(event, POWER), event.version)
        return -levels.user(event.sender), event.origin_server_ts, event.event_id

    def mainline(self, event: Event | None) -> list[Event]:
        return [] if event is None else [event, *self.mainline(self.cited(event, POWER))]

    def mainline_order(self, events: list[Event], power_levels: Event | None) -> list[Event]:
        mainline = self.mainline(power_levels)

        def key(event: Event) -> tuple[float, int, EventID]:
            own = self.mainline(self.cited(event, POWER))
            position = next((mainline.index(levels) for levels in own if levels in mainline), inf)
            return -position, event.origin_server_ts, event.event_id

        return sorted(events, key=key)

    def apply(self, event: Event, state: State) -> None:
        cited = {e.slot: e for e in self.auth_events(event) if e.event_id not in self.rejected}
        try:
            check_auth(event, {**cited, **state})
        except AuthRejected:
            return
        state[event.slot] = event
