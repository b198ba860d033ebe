"""Rooms with random forks, plausible and hostile, of properly built and signed events. A seed makes the same room."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from homeserver.protocol.auth_graph import LoadedAuthGraph
from homeserver.protocol.event import Event, Slot
from homeserver.protocol.event_auth import auth_slots
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.power_levels import CREATE
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.state_resolution import resolve
from synapse_compat_tests.differential.drafts import Draft, Scene, create_content, draft_state, opening
from synapse_compat_tests.differential.event_building import built
from synapse_compat_tests.differential.receipt import refusal

State: TypeAlias = Mapping[Slot, EventID]
_MOST_HEADS = 5
_WINDOW = 20


@dataclass(frozen=True, slots=True)
class Attempt:
    """An event that somebody sent, in the state before it, and whether we accept it."""

    event: Event
    state: State
    refused: str | None


class RandomRoom:
    """A room of state events. The state after each follows our rules, resolution included."""

    def __init__(self, version: RoomVersion, seed: int) -> None:
        self.version = version
        # A string's hash does not depend on the process, which `hash` of a tuple would.
        self.random = Random(f"{version.identifier}:{seed}")
        self.events: dict[EventID, Event] = {}
        self.rejected: set[EventID] = set()
        self.attempts: list[Attempt] = []
        self._state_after: dict[EventID, State] = {}
        self._heads: list[EventID] = []
        self._times = self.random.choice([_equal_times, _jittering_times])
        for wanted in opening(version, self.random, create_content(version, self.random)):
            tips = list(self._heads)
            self._try(wanted, tips, self._state_before(tips), hostile=False)

    def grow(self, attempts: int) -> None:
        """Lets somebody try something, again and again."""
        for _ in range(attempts):
            tips = self._some_tips()
            state = self._state_before(tips)
            scene = Scene(self.version, self.random, self._state_map(state))
            self._try(draft_state(scene), tips, state)

    def forks(self, count: int) -> list[list[State]]:
        """States after events of different branches, and states that only a lying server could tell."""
        return [
            self._told_states() if self.random.random() < 0.3 else self._true_states() for _ in range(count)
        ]

    def merely_cited(self, fork: Sequence[State]) -> Set[EventID]:
        """Events that no state has, and that resolution does not apply, but that others rest on."""
        graph = self.auth_graph()
        in_states = [frozenset(state.values()) for state in fork]
        conflicted = frozenset[EventID]().union(*in_states) - in_states[0].intersection(*in_states[1:])
        in_every_chain = set.intersection(*map(graph.auth_chain, in_states))
        return in_every_chain.difference(graph.conflicted_subgraph(conflicted), *in_states)

    @property
    def create(self) -> Event:
        return next(iter(self.events.values()))

    def _try(self, wanted: Draft, tips: Sequence[EventID], state: State, *, hostile: bool = True) -> None:
        event = self._built(wanted, tips, state, hostile)
        refused = refusal(event.pdu(), self.version, self.events, self.rejected, self._state_map(state))
        self.attempts.append(Attempt(event, state, refused))
        if refused is None:
            self._add(event, tips, {**state, event.slot: event.event_id})
        elif hostile and self.random.random() < 0.3 and self._is_readable_by_synapse(event):
            self.rejected.add(event.event_id)
            self._add(event, tips, state)

    def _add(self, event: Event, tips: Sequence[EventID], state_after: State) -> None:
        self.events[event.event_id] = event
        self._state_after[event.event_id] = state_after
        heads = [head for head in self._heads if head not in tips]
        self._heads = [*heads, event.event_id][-_MOST_HEADS:]

    def _is_readable_by_synapse(self, event: Event) -> bool:
        """In room version 12 it gives second create events other IDs, and reads no event that cites the first."""
        cites_create = event.type == "m.room.create" or self.create.event_id in event.auth_events
        return not (self.version.room_id_is_create_hash and cites_create)

    def _some_tips(self) -> Sequence[EventID]:
        """A branch goes on, or some are merged, or a new one begins."""
        kind = self.random.random()
        if kind < 0.7:
            return [self.random.choice(self._heads)]
        if kind < 0.82:
            return self.random.sample(self._heads, min(len(self._heads), self.random.choice([2, 2, 3])))
        return [self.random.choice(list(self.events)[-_WINDOW:])]

    def _state_before(self, tips: Sequence[EventID]) -> State:
        if not tips:
            return {}
        return resolve(self.version, [self._state_after[tip] for tip in tips], self.auth_graph())

    def auth_graph(self) -> LoadedAuthGraph:
        return LoadedAuthGraph(self.events, self.rejected)

    def _state_map(self, state: State) -> dict[Slot, Event]:
        return {slot: self.events[event_id] for slot, event_id in state.items()}

    def _built(self, wanted: Draft, tips: Sequence[EventID], state: State, hostile: bool) -> Event:
        number = len(self.attempts)
        depth = 1 + max((self.events[tip].depth for tip in tips), default=0)
        odd_depth = hostile and self.random.random() < 0.1
        return built(
            wanted,
            self.version,
            self.create if self.events else None,
            number=number,
            origin_server_ts=self._times(self.random, number),
            depth=self.random.randrange(2 * depth) if odd_depth else depth,
            prev_events=tips,
            auth_events=self._auth_events(wanted, state, hostile),
        )

    def _auth_events(self, wanted: Draft, state: State, hostile: bool) -> Sequence[EventID]:
        """Those it should cite; or of another branch, or outdated, or rejected, or not of the right kind."""
        slots = auth_slots(
            type=wanted.type,
            sender=wanted.sender,
            state_key=wanted.state_key,
            content=wanted.content,
            version=self.version,
        )
        cited = [state[slot] for slot in slots if slot in state]
        if cited and hostile and self.random.random() < 0.2:
            place = self.random.randrange(len(cited))
            slot = self.events[cited[place]].slot
            cited[place] = self.random.choice([each.event_id for each in self._all_at(slot)])
        if cited and hostile and self.random.random() < 0.05:
            cited.pop(self.random.randrange(len(cited)))
        if hostile and self.random.random() < 0.02:
            cited.append(self.random.choice(list(self.events)))
        return cited

    def _all_at(self, slot: Slot) -> Iterable[Event]:
        return (event for event in self.events.values() if event.slot == slot)

    def _true_states(self) -> list[State]:
        tips = self.random.sample(list(self.events), min(len(self.events), self.random.choice([2, 2, 3, 4])))
        return [self._state_after[tip] for tip in tips]

    def _told_states(self) -> list[State]:
        by_slot: dict[Slot, list[EventID]] = {}
        for event_id, event in self.events.items():
            if event_id not in self.rejected:
                by_slot.setdefault(event.slot, []).append(event_id)
        return [self._told_state(by_slot) for _ in range(self.random.choice([2, 3]))]

    def _told_state(self, by_slot: Mapping[Slot, Sequence[EventID]]) -> State:
        told = {CREATE: self.create.event_id}
        for slot, event_ids in by_slot.items():
            if self.random.random() < 0.85:
                # Recent ones more often, so that some states have something in common.
                told[slot] = event_ids[-1] if self.random.random() < 0.4 else self.random.choice(event_ids)
        return told


def _equal_times(random: Random, number: int) -> int:
    return 1_000


def _jittering_times(random: Random, number: int) -> int:
    return 1_000 + number + random.randrange(-10, 10)
