"""Rooms to try the rules on: real, signed events of any room version, and the state that they make."""

from collections.abc import Iterable
from copy import copy
from itertools import count
from typing import Any

import pytest

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.event_auth import AuthRejected, auth_slots, check_auth
from homeserver.protocol.events import Proposal, build_event
from homeserver.protocol.identifiers import EventID, RoomID, ServerName, UserID, server_of
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import ROOM_VERSIONS, EventIDForm, RoomVersion
from homeserver.protocol.signing import EventSigner, SigningKey

CREATOR = UserID("@creator:a")
ALICE = UserID("@alice:a")
BOB = UserID("@bob:b")
CAROL = UserID("@carol:c")

every_version = pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=list(ROOM_VERSIONS))


def versions(first: int, last: int = 12) -> pytest.MarkDecorator:
    """Runs a test for each room version from `first` to `last`."""
    identifiers = [str(number) for number in range(first, last + 1)]
    return pytest.mark.parametrize("version", [ROOM_VERSIONS[name] for name in identifiers], ids=identifiers)


def signer_of(identifier: str) -> EventSigner:
    """The signing identity of a server, always the same."""
    server_name = server_of(identifier) if ":" in identifier else ServerName(identifier)
    return EventSigner(server_name, SigningKey("1", server_name.encode().ljust(32, b"\0")))


class Room:
    """A room, and the state that its newest event leads to."""

    def __init__(self, version: RoomVersion, **create_content: Any) -> None:
        """Only the create event."""
        self.version = version
        self.state: dict[Slot, Event] = {}
        # Shared by all branches, so that none of their events are the same.
        self._numbers = count(1)
        self.known: dict[EventID, Event] = {}
        self.rejected: set[EventID] = set()
        self.last: Event | None = None
        content = {"room_version": version.identifier, **create_content}
        if not version.implicit_creator:
            content.setdefault("creator", CREATOR)
        self.create = self.add("m.room.create", content, sender=CREATOR, state_key="")

    @classmethod
    def with_members(cls, version: RoomVersion, *members: UserID, **create_content: Any) -> "Room":
        """The creator and `members` are joined; the creator has level 100, or more; anybody may join."""
        room = cls(version, **create_content)
        room.add("m.room.member", {"membership": "join"}, sender=CREATOR, state_key=CREATOR)
        room.set_levels()
        room.join_rule("public")
        for member in members:
            room.member(member, "join")
        return room

    def event(
        self,
        type: str,
        content: JsonObject,
        *,
        sender: UserID = CREATOR,
        state_key: str | None = None,
        **changes: Any,
    ) -> Event:
        """An event on the room's state, with `changes` to its proposal; it is not added."""
        number = next(self._numbers)
        is_create = type == "m.room.create"
        slots = auth_slots(
            type=type, sender=sender, state_key=state_key, content=content, version=self.version
        )
        fields: dict[str, Any] = {
            "version": self.version,
            "room_id": self._id_of_new_room() if is_create else self.create.room_id,
            "type": type,
            "state_key": state_key,
            "sender": sender,
            "content": content,
            "origin_server_ts": 1_000_000 + number,
            "depth": number,
            "prev_events": (self.last.event_id,) if self.last else (),
            "auth_events": tuple(self.state[slot].event_id for slot in slots if slot in self.state),
        }
        if self.version.event_ids is EventIDForm.ASSIGNED:
            fields["event_id"] = EventID(f"${number}:{server_of(sender)}")
        proposal = Proposal(**{**fields, **changes})
        return build_event(proposal, signer_of(sender))

    def add(
        self,
        type: str,
        content: JsonObject,
        *,
        sender: UserID = CREATOR,
        state_key: str | None = None,
        **changes: Any,
    ) -> Event:
        """The same, added to the room whatever the rules say."""
        event = self.event(type, content, sender=sender, state_key=state_key, **changes)
        self.last = event
        self.known[event.event_id] = event
        if event.is_state:
            self.state[event.slot] = event
        return event

    def member(self, user_id: UserID, membership: str, sender: UserID | None = None, **content: Any) -> Event:
        return self.add(
            "m.room.member",
            {"membership": membership, **content},
            sender=sender or user_id,
            state_key=user_id,
        )

    def join_rule(self, join_rule: str) -> Event:
        return self.add("m.room.join_rules", {"join_rule": join_rule}, state_key="")

    def set_levels(self, users: JsonObject | None = None, **content: Any) -> Event:
        """The creator has level 100, where creators have a level."""
        own = {} if self.version.privileged_creators else {CREATOR: 100}
        return self.add("m.room.power_levels", {"users": own | (users or {}), **content}, state_key="")

    def branch(self) -> "Room":
        """The same room as it is now, to go on in another way."""
        other = copy(self)
        other.state = dict(self.state)
        return other

    def try_event(self, type: str, content: JsonObject, **fields: Any) -> bool:
        """Whether the rules allow such an event now."""
        return allows(self, self.event(type, content, **fields))

    def try_member(
        self, user_id: UserID, membership: str, sender: UserID | None = None, **content: Any
    ) -> bool:
        return self.try_event(
            "m.room.member",
            {"membership": membership, **content},
            sender=sender or user_id,
            state_key=user_id,
        )

    def _id_of_new_room(self) -> RoomID | None:
        return None if self.version.room_id_is_create_hash else RoomID("!room:a")


def allows(room: Room, event: Event) -> bool:
    try:
        check_auth(event, room.state)
    except AuthRejected:
        return False
    return True


def event_ids(events: Iterable[Event]) -> tuple[EventID, ...]:
    return tuple(event.event_id for event in events)
