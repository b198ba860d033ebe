"""Events, odd ones among them, that are tried one after the other in a room without forks."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from random import Random

from homeserver.protocol.event import Event, Slot, StateMap
from homeserver.protocol.event_auth import auth_slots
from homeserver.protocol.events import parse_pdu
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.room_versions import RoomVersion
from synapse_compat_tests.differential.drafts import CREATOR, Draft, Scene, create_content, draft_any, opening
from synapse_compat_tests.differential.event_building import built
from synapse_compat_tests.differential.malformed import with_odd_content, with_odd_field
from synapse_compat_tests.differential.receipt import refusal
from synapse_compat_tests.differential.synapse_process import AuthCase, Outcome, SynapseFunctions


@dataclass(frozen=True, slots=True)
class Case:
    """An event as it is received, and the state before it."""

    version: RoomVersion
    pdu: JsonObject
    state: StateMap


@dataclass(frozen=True, slots=True)
class Judged:
    """Why each of us refuses an event; None where it is accepted."""

    case: Case
    ours: str | None
    synapse: str | None

    @property
    def is_agreed(self) -> bool:
        return (self.ours is None) is (self.synapse is None)

    @property
    def is_accepted_by_both(self) -> bool:
        return self.ours is None and self.synapse is None


class TrialRoom:
    """Takes only what both accept, so that one disagreement does not bring about others."""

    def __init__(self, version: RoomVersion, opening: Iterable[Draft], random: Random) -> None:
        """Of `opening`, what the rules allow."""
        self.version = version
        self.events: dict[EventID, Event] = {}
        self._random = random
        self._state: dict[Slot, Event] = {}
        self._last: Event | None = None
        self._number = 0
        for wanted in opening:
            event = self._built(wanted)
            if refusal(event.pdu(), version, self.events, (), self._state) is None:
                self._add(event)

    def case(self, wanted: Draft, **changes: JsonValue) -> Case:
        """`changes` are made to the event after it was built."""
        return Case(self.version, {**self._built(wanted).pdu(), **changes}, dict(self._state))

    def random_cases(self, count: int) -> list[Case]:
        """What could be sent now; each is an answer to the same state."""
        return [self._random_case() for _ in range(count)]

    def random_create_cases(self, count: int) -> list[Case]:
        """Other ways in which the room could have begun."""
        empty = TrialRoom(self.version, (), self._random)
        create = Draft("m.room.create", "", CREATOR, create_content(self.version, self._random))
        return [empty._made_odd(empty.case(create)) for _ in range(count)]

    def go_on(self, accepted: Collection[Case]) -> None:
        """Adds one of the state events that both accepted, if there is any."""
        events = [parse_pdu(case.pdu, self.version) for case in accepted]
        events = [event for event in events if event.is_state]
        if events:
            self._add(self._random.choice(events))

    def _random_case(self) -> Case:
        return self._made_odd(self.case(draft_any(Scene(self.version, self._random, self._state))))

    def _made_odd(self, case: Case) -> Case:
        """Mostly; sometimes it stays as it is."""
        kind = self._random.random()
        if kind < 0.5:
            return replace(case, pdu=with_odd_content(case.pdu, self._random))
        return replace(case, pdu=with_odd_field(case.pdu, self._random)) if kind < 0.6 else case

    def _built(self, wanted: Draft) -> Event:
        self._number += 1
        slots = auth_slots(
            type=wanted.type,
            sender=wanted.sender,
            state_key=wanted.state_key,
            content=wanted.content,
            version=self.version,
        )
        return built(
            wanted,
            self.version,
            self._state.get(("m.room.create", "")),
            number=self._number,
            origin_server_ts=self._number,
            depth=self._number,
            prev_events=[] if self._last is None else [self._last.event_id],
            auth_events=[self._state[slot].event_id for slot in slots if slot in self._state],
        )

    def _add(self, event: Event) -> None:
        self.events[event.event_id] = event
        self._state[event.slot] = event
        self._last = event


def random_trial_room(version: RoomVersion, seed: int) -> TrialRoom:
    # A string, as the hash of anything else may differ from process to process.
    random = Random(f"{version.identifier}:{seed}")
    content = create_content(version, random)
    if random.random() < 0.15:
        content["m.federate"] = random.choice([False, False, True, None, "false", 0])
    return TrialRoom(version, opening(version, random, content), random)


def judge(synapse: SynapseFunctions, events: Collection[Event], cases: Collection[Case]) -> list[Judged]:
    """What we and Synapse make of each case. `events` are those of all their states."""
    known = {event.event_id: event for event in events}
    version = next(iter(known.values())).version
    outcomes = synapse.auth(
        version, events, (), [AuthCase(case.pdu, _event_ids(case.state)) for case in cases]
    )
    return [_judged(case, known, outcome) for case, outcome in zip(cases, outcomes, strict=True)]


def _judged(case: Case, known: dict[EventID, Event], outcome: Outcome) -> Judged:
    return Judged(case, refusal(case.pdu, case.version, known, (), case.state), outcome.raised)


def _event_ids(state: StateMap) -> list[EventID]:
    return [event.event_id for event in state.values()]
