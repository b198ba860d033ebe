"""Random rooms with forks, and what the rules alone say of them, without any store."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random

from homeserver.protocol.auth_graph import LoadedAuthGraph
from homeserver.protocol.event import Slot
from homeserver.protocol.event_auth import AuthRejected, auth_slots, check_auth, check_auth_events
from homeserver.protocol.events import Event, Proposal, build_event
from homeserver.protocol.history_visibility import may_see
from homeserver.protocol.identifiers import EventID, ServerName, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.removals import REDACT_EVENTS
from homeserver.protocol.room_versions import EventIDForm
from homeserver.protocol.signing import EventSigner, SigningKey
from homeserver.protocol.state_resolution import resolve

USERS = [UserID(f"@{name}:test") for name in ("alice", "bob", "carol", "dave")]
VISIBILITY: Slot = ("m.room.history_visibility", "")
StateIDs = Mapping[Slot, EventID]
_SIGNER = EventSigner(ServerName("test"), SigningKey("test", b"\x01" * 32))
_ALTERNATIVES = 12
_LATELY = 20
# "shared" asks for the future, which is another one at every server.
_VISIBILITIES = ("world_readable", "invited", "joined")


class Story:
    """A room's events in the order in which they were made, with the states around each."""

    def __init__(self, first: Sequence[Event], rng: Random) -> None:
        """`first` are the events of a room without forks, from its create event on."""
        self.events: dict[EventID, Event] = {}
        self.before: dict[EventID, StateIDs] = {}
        self.after: dict[EventID, StateIDs] = {}
        self.rejected: set[EventID] = set()
        self.lies = 0.05
        """How often somebody cites what is true on another branch, or was once."""
        self._rng = rng
        self._version = first[0].version
        for event in first:
            self._add(event, self._after_all(event.prev_events))

    def resolved(self, event_ids: Iterable[EventID]) -> StateIDs:
        """The state after several events."""
        return self._after_all(event_ids)

    def is_allowed(self, event: Event, state: StateIDs) -> bool:
        try:
            check_auth(event, {slot: self.events[event_id] for slot, event_id in state.items()})
        except AuthRejected:
            return False
        return True

    def may_see(self, user_id: UserID, event: Event) -> bool:
        """Whether the history's visibility shows the event to the user."""
        around = (self.before[event.event_id], self.after[event.event_id])
        visibilities = [self._string(s, VISIBILITY, "history_visibility") for s in around]
        memberships = [self._string(s, ("m.room.member", user_id), "membership") for s in around]
        if event.is_state and event.slot == ("m.room.member", user_id) and memberships[1] in ("leave", "ban"):
            return True
        return may_see(
            visibility_before=visibilities[0],
            visibility_after=visibilities[1],
            membership_before=memberships[0],
            membership_after=memberships[1],
            joined_later=False,
        )

    def is_shared(self, event: Event) -> bool:
        """Whether the history's visibility is the default one just before or after the event."""
        around = (self.before[event.event_id], self.after[event.event_id])
        values = {self._string(state, VISIBILITY, "history_visibility") for state in around}
        return bool(values & {None, "shared"})

    def _string(self, state: StateIDs, slot: Slot, key: str) -> str | None:
        value = self.events[state[slot]].content.get(key) if slot in state else None
        return value if isinstance(value, str) else None

    def ancestors(self, event_ids: Iterable[EventID], most: int) -> list[Event]:
        """The newest of some events and of those that they follow, oldest first."""
        found: set[EventID] = set()
        pending = set(event_ids)
        while pending:
            found |= pending
            pending = {prev for one in pending for prev in self.events[one].prev_events} - found
        return [event for event_id, event in self.events.items() if event_id in found][-most:]

    def make(self, behind: EventID | None = None) -> Event:
        """One more event, most often allowed by the state before it; one that comes after `behind`, if given."""
        while True:
            event = self._made(behind)
            before = self._after_all(event.prev_events)
            if self._is_rejected(event, before):
                if self._rng.random() < 1 - 2 * self.lies:
                    continue
                self.rejected.add(event.event_id)
            self._add(event, before)
            return event

    def _is_rejected(self, event: Event, before: StateIDs) -> bool:
        cited = [self.events[event_id] for event_id in event.auth_events]
        try:
            check_auth_events(event, cited, self.rejected)
        except AuthRejected:
            return True
        state = {one.slot: one.event_id for one in cited}
        create = before[("m.room.create", "")]
        return not (
            self.is_allowed(event, {("m.room.create", ""): create, **state})
            and self.is_allowed(event, before)
        )

    def _add(self, event: Event, before: StateIDs) -> None:
        event_id = event.event_id
        self.events[event_id] = event
        changes = event.is_state and event_id not in self.rejected
        self.before[event_id] = before
        self.after[event_id] = {**before, event.slot: event_id} if changes else before

    def _after_all(self, event_ids: Iterable[EventID]) -> StateIDs:
        states = [self.after[event_id] for event_id in sorted(set(event_ids))]
        if len(states) < 2:
            return states[0] if states else {}
        return resolve(self._version, states, LoadedAuthGraph(dict(self.events), self.rejected))

    def _made(self, behind: EventID | None) -> Event:
        rng = self._rng
        made = list(self.events)
        later = made if behind is None else made[made.index(behind) :]
        newest = later[-rng.choice((1, 1, 2, 3, 6)) :]
        prev_events = tuple(rng.sample(newest, min(len(newest), rng.choice((1, 1, 1, 2, 3)))))
        state = self._after_all(prev_events)
        sender = rng.choice(USERS)
        type_, state_key, content = self._wish(sender, made)
        in_content = type_ != "m.room.redaction" or self._version.redacts_in_content
        slots = auth_slots(
            type=type_, sender=sender, state_key=state_key, content=content, version=self._version
        )
        source = state if rng.random() < 1 - self.lies else rng.choice(list(self.after.values()))
        first = next(iter(self.events.values()))
        hashed = self._version.room_id_is_create_hash
        number = len(self.events) * _ALTERNATIVES + rng.randrange(_ALTERNATIVES)
        proposal = Proposal(
            version=self._version,
            room_id=first.room_id,
            type=type_,
            state_key=state_key,
            sender=sender,
            content=content if in_content else {},
            redacts=None if in_content else content["redacts"],
            origin_server_ts=rng.randrange(1000),
            depth=1 + max(self.events[event_id].depth for event_id in prev_events),
            prev_events=prev_events,
            auth_events=tuple(
                source[slot]
                for slot in slots
                if slot in source and not (hashed and slot[0] == "m.room.create")
            ),
            event_id=EventID(f"${number}:test") if self._version.event_ids is EventIDForm.ASSIGNED else None,
        )
        return build_event(proposal, _SIGNER)

    def _wish(self, sender: UserID, made: Sequence[EventID]) -> tuple[str, str | None, JsonObject]:
        rng = self._rng
        other = rng.choice(USERS)
        number = rng.randrange(1_000_000)
        # Not the first ones, on which all else rests.
        earlier = rng.choice(made[-_LATELY:])
        relation = {"rel_type": "m.thread", "event_id": earlier}
        wishes: list[tuple[str, str | None, JsonObject]] = [
            ("m.room.message", None, {"body": str(number)}),
            ("m.room.message", None, {"body": str(number), "m.relates_to": relation}),
            ("m.room.redaction", None, {"redacts": earlier}),
            ("m.room.topic", "", {"topic": str(number)}),
            ("m.room.name", "", {"name": str(number)}),
            ("m.room.history_visibility", "", {"history_visibility": rng.choice(_VISIBILITIES)}),
            ("org.example", rng.choice("abc"), {"x": number}),
            ("m.room.member", sender, {"membership": "join", "displayname": str(number)}),
            ("m.room.member", sender, {"membership": "leave"}),
            ("m.room.member", other, {"membership": rng.choice(("invite", "ban", "leave"))}),
            ("m.room.join_rules", "", {"join_rule": rng.choice(("public", "invite"))}),
            ("m.room.power_levels", "", self._levels()),
        ]
        return rng.choice(wishes)

    def _levels(self) -> JsonObject:
        rng = self._rng
        creators = self._version.privileged_creators
        users = {user: rng.choice((0, 50, 100)) for user in USERS[1:]}
        users |= {} if creators else {USERS[0]: 100}
        return {
            "users": users,
            "events": {"m.room.topic": rng.choice((0, 50))},
            "state_default": 50,
            "ban": 50,
        }


class RemovingStory(Story):
    """One in which all who are removed by others are redacted, too."""

    def _wish(self, sender: UserID, made: Sequence[EventID]) -> tuple[str, str | None, JsonObject]:
        type_, state_key, content = super()._wish(sender, made)
        is_removal = content.get("membership") in ("leave", "ban") and state_key != sender
        return type_, state_key, {**content, REDACT_EVENTS: True} if is_removal else content
