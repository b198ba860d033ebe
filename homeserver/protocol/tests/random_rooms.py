"""Rooms with random forks, in which users fight about power, membership and state."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from homeserver.protocol.auth_graph import LoadedAuthGraph
from homeserver.protocol.event import Event, Slot
from homeserver.protocol.event_auth import AuthRejected, auth_slots, check_auth
from homeserver.protocol.event_signatures import sign_event
from homeserver.protocol.events import Proposal, build_event
from homeserver.protocol.identifiers import EventID, RoomID, UserID, server_of
from homeserver.protocol.json import JsonObject
from homeserver.protocol.membership_auth import AUTHORISED_VIA
from homeserver.protocol.room_versions import EventIDForm, RoomVersion
from homeserver.protocol.state_resolution import resolve
from homeserver.protocol.tests.rooms import CREATOR, signer_of

CREATE: Slot = ("m.room.create", "")
USERS = [CREATOR, *(UserID(f"@{name}:{name[0]}") for name in ("alice", "bob", "carol", "dave"))]

State = dict[Slot, EventID]
Draft = tuple[str, str, JsonObject]
"""Type, state key and content."""


@dataclass
class RandomRoom:
    """A room of state events only; the same for the same random source."""

    version: RoomVersion
    random: Random
    events: dict[EventID, Event] = field(default_factory=dict)
    state_after: dict[EventID, State] = field(default_factory=dict)
    rejected: set[EventID] = field(default_factory=set)
    """Of `events`, those that this server rejected, though another did not and has them in a state."""

    def grow(self, count: int) -> None:
        """Begins the room and tries to add `count` events."""
        self.begin()
        for _ in range(count):
            self.try_event(self.random.choice(USERS), self.draft(), self.some_tips())

    def begin(self) -> None:
        creator: JsonObject = {} if self.version.implicit_creator else {"creator": CREATOR}
        levels = {} if self.version.privileged_creators else {CREATOR: 100}
        tips: list[EventID] = []
        for type_, state_key, content in (
            ("m.room.create", "", {"room_version": self.version.identifier, **creator}),
            ("m.room.member", CREATOR, {"membership": "join"}),
            ("m.room.power_levels", "", {"users": levels, "state_default": 10, "invite": 5}),
            ("m.room.join_rules", "", {"join_rule": "public"}),
        ):
            added = self.try_event(CREATOR, (type_, state_key, content), tips)
            assert added is not None
            tips = [added.event_id]
        for user_id in USERS[1:3]:
            added = self.try_event(user_id, ("m.room.member", user_id, {"membership": "join"}), tips)
            assert added is not None
            tips = [added.event_id]

    def some_tips(self) -> list[EventID]:
        """Mostly the newest events, sometimes old ones: a fork; and sometimes more than one: a merge."""
        known = list(self.events)
        window = known[-self.random.choice([1, 2, 3, 8, 20]) :]
        return self.random.sample(window, min(len(window), self.random.choice([1, 1, 1, 2, 3])))

    def fork(self) -> list[State]:
        """States that differ: after events of different branches, or such as only a lying server could tell."""
        if self.random.random() < 0.2:
            states = [self._told_state() for _ in range(self.random.choice([2, 3]))]
        else:
            tips = self.random.sample(list(self.events), self.random.choice([2, 2, 3, 4]))
            states = [self.state_after[tip] for tip in tips]
        return states if any(state != states[0] for state in states) else self.fork()

    def _told_state(self) -> State:
        """Of most slots, any of their events."""
        by_slot: dict[Slot, list[EventID]] = {}
        for event_id, event in self.events.items():
            by_slot.setdefault(event.slot, []).append(event_id)
        chosen = {slot: self.random.choice(events) for slot, events in by_slot.items()}
        return {slot: event for slot, event in chosen.items() if slot == CREATE or self.random.random() < 0.8}

    def reject_some(self) -> None:
        others = [event_id for event_id, event in self.events.items() if event.slot != CREATE]
        self.rejected.update(self.random.sample(others, len(others) // 4))

    def resolved(self, tips: Sequence[EventID]) -> State:
        if not tips:
            return {}
        return resolve(self.version, [self.state_after[tip] for tip in tips], self.graph())

    def graph(self) -> LoadedAuthGraph:
        return LoadedAuthGraph(self.events, self.rejected)

    def try_event(self, sender: UserID, draft: Draft, tips: Sequence[EventID]) -> Event | None:
        """Adds the event if the rules allow it in the state that `tips` lead to."""
        state = self.resolved(tips)
        event = self._build(sender, draft, tips, state)
        try:
            check_auth(event, {slot: self.events[event_id] for slot, event_id in state.items()})
        except AuthRejected:
            return None
        self.events[event.event_id] = event
        self.state_after[event.event_id] = {**state, event.slot: event.event_id}
        return event

    def draft(self) -> Draft:
        target = self.random.choice(USERS)
        membership = self.random.choice(["join", "join", "invite", "leave", "ban", "knock"])
        level = self.random.choice([0, 5, 10, 50, 50, 99, 100])
        return self.random.choice(
            [
                ("m.room.member", target, {"membership": membership}),
                ("m.room.member", target, {"membership": membership}),
                ("m.room.member", target, {"membership": "join", AUTHORISED_VIA: self.random.choice(USERS)}),
                ("m.room.power_levels", "", self._levels(target, level)),
                ("m.room.join_rules", "", {"join_rule": self.random.choice(self._join_rules())}),
                ("m.room.topic", "", {"topic": str(level)}),
                ("m.room.name", "", {"name": str(level)}),
                ("x", str(level), {}),
            ]
        )

    def _join_rules(self) -> list[str]:
        known = {"knock": self.version.knock, "restricted": self.version.restricted}
        known["knock_restricted"] = self.version.knock_restricted
        return ["public", "invite", *(rule for rule, is_known in known.items() if is_known)]

    def _levels(self, target: UserID, level: int) -> JsonObject:
        """One change to some power levels that there were."""
        given = [event.content for event in self.events.values() if event.type == "m.room.power_levels"]
        content = self.random.choice(given[-4:])
        if self.random.random() < 0.3:
            return {**content, self.random.choice(["ban", "kick", "invite", "state_default"]): level}
        if target == CREATOR and self.version.privileged_creators:
            return content
        return {**content, "users": {**content["users"], target: level}}

    def _build(self, sender: UserID, draft: Draft, tips: Sequence[EventID], state: State) -> Event:
        type_, state_key, content = draft
        if type_ == "m.room.member" and content["membership"] == "join" and self.random.random() < 0.8:
            sender = UserID(state_key)
        slots = auth_slots(
            type=type_, sender=sender, state_key=state_key, content=content, version=self.version
        )
        number = len(self.events)
        is_assigned = self.version.event_ids is EventIDForm.ASSIGNED
        proposal = Proposal(
            version=self.version,
            room_id=self._room_id(),
            type=type_,
            state_key=state_key,
            sender=sender,
            content=content,
            # Clocks differ, and sometimes agree.
            origin_server_ts=1_000 + number + self.random.randrange(-15, 15),
            depth=1 + max((self.events[tip].depth for tip in tips), default=0),
            prev_events=tuple(tips),
            auth_events=tuple(state[slot] for slot in slots if slot in state),
            event_id=EventID(f"${self.random.randrange(10**9)}:{server_of(sender)}") if is_assigned else None,
        )
        event = build_event(proposal, signer_of(sender))
        authorising_user = content.get(AUTHORISED_VIA)
        return event if authorising_user is None else sign_event(event, signer_of(authorising_user))

    def _room_id(self) -> RoomID | None:
        if self.events:
            return next(iter(self.events.values())).room_id
        return None if self.version.room_id_is_create_hash else RoomID("!room:a")
