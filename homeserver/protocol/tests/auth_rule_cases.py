"""For each authorisation rule but those of memberships, an event that it lets pass and one that it rejects.

The two of a case differ in nothing but what the rule asks for. `test_auth_rules` has the rules' numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.power_levels import CREATE, POWER_LEVELS
from homeserver.protocol.tests.rooms import ALICE, BOB, CAROL, CREATOR, Room

Build: TypeAlias = Callable[[Room, bool], Event]
"""The event of a case, in a public room of the creator, Alice and Bob; whether it is to be allowed."""


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    reason: str
    """Part of what the rule says when it rejects."""
    build: Build


@dataclass(frozen=True, slots=True)
class Cases:
    _by_name: dict[str, Case] = field(default_factory=dict)

    def rejected_as(self, reason: str) -> Callable[[Build], Build]:
        def declare(build: Build) -> Build:
            self._by_name[build.__name__] = Case(build.__name__, reason, build)
            return build

        return declare

    def __iter__(self) -> Iterator[Case]:
        return iter(self._by_name.values())


CASES = Cases()
_OTHER_ROOM = RoomID("!" + "A" * 43)


def create(room: Room, content: JsonObject | None = None, **changes: Any) -> Event:
    fields: JsonObject = {"state_key": "", "prev_events": (), **changes}
    return room.event("m.room.create", room.create.content if content is None else content, **fields)


@CASES.rejected_as("comes first")
def create_first(room: Room, allowed: bool) -> Event:
    return create(room, prev_events=() if allowed else (room.create.event_id,))


@CASES.rejected_as("another server than the creator")
def create_domain(room: Room, allowed: bool) -> Event:
    return create(room, room_id="!x:a" if allowed else "!x:b")


@CASES.rejected_as("has no room ID")
def create_without_room_id(room: Room, allowed: bool) -> Event:
    # With the empty state key, it would not even have the format.
    return create(room) if allowed else create(room, room_id=_OTHER_ROOM, state_key="x")


@CASES.rejected_as("room version is unknown")
def create_version(room: Room, allowed: bool) -> Event:
    return create(room, {**room.create.content, "room_version": room.version.identifier if allowed else "13"})


@CASES.rejected_as("names no creator")
def create_creator(room: Room, allowed: bool) -> Event:
    return create(room, {"creator": CREATOR} if allowed else {})


@CASES.rejected_as("additional creators")
def create_additional_creators(room: Room, allowed: bool) -> Event:
    return create(room, {"additional_creators": [ALICE if allowed else "alice"]})


@CASES.rejected_as("not that of the create event")
def room_of_create_event(room: Room, allowed: bool) -> Event:
    changes: JsonObject = {} if allowed else {"room_id": _OTHER_ROOM, "auth_events": ()}
    return room.event("m.room.message", {}, **changes)


def citing(room: Room, *more: Event, without: Event | None = None) -> Event:
    """A message that cites other events than it should."""
    event = room.event("m.room.message", {})
    kept = [event_id for event_id in event.auth_events if without is None or event_id != without.event_id]
    room.known |= {cited.event_id: cited for cited in more}
    cited = (*kept, *(cited.event_id for cited in more))
    return msgspec.structs.replace(event, auth_events=cited)


@CASES.rejected_as("of the same type and state key")
def auth_events_twice(room: Room, allowed: bool) -> Event:
    older = room.state[POWER_LEVELS]
    room.set_levels()
    return citing(room) if allowed else citing(room, older)


@CASES.rejected_as("not of those that such an event cites")
def auth_events_unexpected(room: Room, allowed: bool) -> Event:
    return citing(room) if allowed else citing(room, room.state["m.room.join_rules", ""])


@CASES.rejected_as("not of those that such an event cites")
def auth_events_with_create(room: Room, allowed: bool) -> Event:
    return citing(room) if allowed else citing(room, room.create)


@CASES.rejected_as("itself rejected")
def auth_events_rejected(room: Room, allowed: bool) -> Event:
    if not allowed:
        room.rejected.add(room.state[POWER_LEVELS].event_id)
    return citing(room)


@CASES.rejected_as("create event is not among")
def auth_events_without_create(room: Room, allowed: bool) -> Event:
    return citing(room, without=None if allowed else room.create)


@CASES.rejected_as("of another room")
def auth_events_of_another_room(room: Room, allowed: bool) -> Event:
    levels = room.state[POWER_LEVELS]
    room_id = room.create.room_id if allowed else _OTHER_ROOM
    other = msgspec.structs.replace(levels, event_id=EventID("$other"), room_id=room_id)
    return citing(room, other, without=levels)


@CASES.rejected_as("closed to other servers")
def federation(room: Room, allowed: bool) -> Event:
    content = {**room.create.content, "m.federate": False}
    room.state[CREATE] = msgspec.structs.replace(room.create, content=content)
    return room.event("m.room.message", {}, sender=ALICE if allowed else BOB)


@CASES.rejected_as("no other server's aliases")
def aliases_state_key(room: Room, allowed: bool) -> Event:
    return room.event("m.room.aliases", {}, sender=BOB, state_key="b" if allowed else None)


@CASES.rejected_as("no other server's aliases")
def aliases_domain(room: Room, allowed: bool) -> Event:
    return room.event("m.room.aliases", {}, sender=BOB, state_key="b" if allowed else "a")


@CASES.rejected_as("sender is not in the room")
def sent_by_member(room: Room, allowed: bool) -> Event:
    return room.event("m.room.message", {}, sender=ALICE if allowed else CAROL)


@CASES.rejected_as("below the invite level")
def third_party_invites(room: Room, allowed: bool) -> Event:
    room.set_levels({ALICE: 10}, invite=10 if allowed else 11, state_default=99)
    return room.event("m.room.third_party_invite", {}, sender=ALICE, state_key="token")


@CASES.rejected_as("required for the event's type")
def level_of_type(room: Room, allowed: bool) -> Event:
    room.set_levels({ALICE: 10}, events={"x": 10 if allowed else 11})
    return room.event("x", {}, sender=ALICE)


@CASES.rejected_as("another user's ID")
def state_key_of_another_user(room: Room, allowed: bool) -> Event:
    room.set_levels(state_default=0)
    return room.event("x", {}, sender=ALICE, state_key=ALICE if allowed else BOB)


@CASES.rejected_as("below the redact level")
def redaction_by_level(room: Room, allowed: bool) -> Event:
    room.set_levels({BOB: 50 if allowed else 49})
    return room.event("m.room.redaction", {}, sender=BOB, redacts=EventID("$x:a"))


@CASES.rejected_as("below the redact level")
def redaction_by_domain(room: Room, allowed: bool) -> Event:
    return room.event("m.room.redaction", {}, sender=BOB, redacts=EventID("$x:b" if allowed else "$x:a"))


def levels(room: Room, before: JsonObject, change: JsonObject) -> Event:
    """Alice, who has level 50 as Bob has, makes a change to power levels."""
    old = room.set_levels({ALICE: 50, BOB: 50}, **before)
    users = {**old.content["users"], **change.get("users", {})}
    content = {
        **old.content,
        **change,
        "users": {user: level for user, level in users.items() if level is not None},
    }
    return room.event("m.room.power_levels", content, sender=ALICE, state_key="")


@CASES.rejected_as("power level is not an integer")
def levels_are_integers(room: Room, allowed: bool) -> Event:
    return levels(room, {}, {"ban": 50 if allowed else "50"})


@CASES.rejected_as("events are not an object of integers")
def levels_of_events_are_integers(room: Room, allowed: bool) -> Event:
    return levels(room, {}, {"events": {"x": 50 if allowed else "50"}})


@CASES.rejected_as("notifications are not an object of integers")
def levels_of_notifications_are_integers(room: Room, allowed: bool) -> Event:
    return levels(room, {}, {"notifications": {"x": 50} if allowed else [50]})


@CASES.rejected_as("no valid user ID")
def levels_of_users(room: Room, allowed: bool) -> Event:
    return levels(room, {}, {"users": {CAROL if allowed else "carol": 50}})


@CASES.rejected_as("Creators have no power level")
def levels_of_creators(room: Room, allowed: bool) -> Event:
    return levels(room, {}, {"users": {CAROL if allowed else CREATOR: 50}})


@CASES.rejected_as("would be above the sender's own")
def levels_without_previous(room: Room, allowed: bool) -> Event:
    if not allowed:
        return levels(room, {}, {"ban": 51})
    del room.state[POWER_LEVELS]
    users = {} if room.version.privileged_creators else {CREATOR: 100}
    return room.event("m.room.power_levels", {"users": users, "ban": 101}, state_key="")


@CASES.rejected_as("is above the sender's own")
def levels_lowered(room: Room, allowed: bool) -> Event:
    return levels(room, {"ban": 50 if allowed else 51}, {"ban": 49})


@CASES.rejected_as("would be above the sender's own")
def levels_raised(room: Room, allowed: bool) -> Event:
    return levels(room, {"ban": 49}, {"ban": 50 if allowed else 51})


@CASES.rejected_as("is above the sender's own")
def levels_of_events_lowered(room: Room, allowed: bool) -> Event:
    return levels(room, {"events": {"x": 50 if allowed else 51}}, {"events": {}})


@CASES.rejected_as("would be above the sender's own")
def levels_of_events_raised(room: Room, allowed: bool) -> Event:
    return levels(room, {}, {"events": {"x": 50 if allowed else 51}})


@CASES.rejected_as("is above the sender's own")
def levels_of_notifications_lowered(room: Room, allowed: bool) -> Event:
    return levels(room, {"notifications": {"room": 50 if allowed else 51}}, {"notifications": {}})


@CASES.rejected_as("would be above the sender's own")
def levels_of_notifications_raised(room: Room, allowed: bool) -> Event:
    return levels(room, {}, {"notifications": {"room": 50 if allowed else 51}})


@CASES.rejected_as("is not below the sender's own")
def levels_of_users_lowered(room: Room, allowed: bool) -> Event:
    return levels(room, {}, {"users": {ALICE if allowed else BOB: None}})


@CASES.rejected_as("would be above the sender's own")
def levels_of_users_raised(room: Room, allowed: bool) -> Event:
    return levels(room, {}, {"users": {CAROL: 50 if allowed else 51}})
