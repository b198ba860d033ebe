"""The rules but those of membership and power levels: what they allow and what they reject, per version."""

from typing import Any

import msgspec
import pytest

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.event_auth import (
    AuthRejected,
    auth_slots,
    check_auth,
    check_auth_events,
    redaction_applies,
)
from homeserver.protocol.events import parse_pdu
from homeserver.protocol.identifiers import EventID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.power_levels import power_levels
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.tests.rooms import ALICE, BOB, CAROL, CREATOR, Room, allows, every_version, versions

POWER: Slot = ("m.room.power_levels", "")
CREATE: Slot = ("m.room.create", "")
JOIN_RULES: Slot = ("m.room.join_rules", "")


def member_slot(user_id: str) -> Slot:
    return "m.room.member", user_id


class TestCreate:
    """Rule 1."""

    def allows_create(self, version: RoomVersion, content: JsonObject, **changes: Any) -> bool:
        room = Room(version)
        fields: JsonObject = {"sender": CREATOR, "state_key": "", "prev_events": (), **changes}
        return allows(room, room.event("m.room.create", content, **fields))

    def content(self, version: RoomVersion, **content: Any) -> JsonObject:
        return {**Room(version).create.content, **content}

    @every_version
    def test_a_create_event_needs_no_state(self, version: RoomVersion) -> None:
        check_auth(Room(version).create, {})

    @every_version
    def test_prev_events(self, version: RoomVersion) -> None:
        assert self.allows_create(version, self.content(version))
        assert not self.allows_create(version, self.content(version), prev_events=(EventID("$x:a"),))

    @versions(1, 11)
    @pytest.mark.parametrize("room_id", ["!room:b", "!room:a:8448", "!" + "A" * 43])
    def test_room_id_of_another_server(self, room_id: str, version: RoomVersion) -> None:
        assert self.allows_create(version, self.content(version), room_id="!room:a")
        assert not self.allows_create(version, self.content(version), room_id=room_id)

    @versions(12)
    def test_room_id(self, version: RoomVersion) -> None:
        # With the empty state key, it would not even have the format.
        assert not self.allows_create(version, {}, room_id="!" + "A" * 43, state_key="x")

    @every_version
    @pytest.mark.parametrize("named", ["13", "", 11, None, ["1"]])
    def test_unknown_room_version(self, named: Any, version: RoomVersion) -> None:
        assert not self.allows_create(version, self.content(version, room_version=named))

    @every_version
    def test_no_room_version(self, version: RoomVersion) -> None:
        content = self.content(version)
        del content["room_version"]
        assert self.allows_create(version, content)

    @every_version
    def test_no_creator(self, version: RoomVersion) -> None:
        assert self.allows_create(version, {}) is (int(version.identifier) >= 11)
        assert self.allows_create(version, {"creator": CREATOR})

    @every_version
    @pytest.mark.parametrize(
        "additional", ["@a:b", None, {}, ["a"], ["@a:b", 5], ["@a"], ["@" + "é" * 130 + ":b"]]
    )
    def test_additional_creators_that_are_none(self, additional: Any, version: RoomVersion) -> None:
        content = self.content(version, additional_creators=additional)
        assert self.allows_create(version, content) is (int(version.identifier) < 12)

    @every_version
    @pytest.mark.parametrize("additional", [[], [ALICE, BOB], ["@:b"]])
    def test_additional_creators(self, additional: list[UserID], version: RoomVersion) -> None:
        assert self.allows_create(version, self.content(version, additional_creators=additional))


class TestSelection:
    """https://spec.matrix.org/v1.19/server-server-api/#auth-events-selection"""

    def slots(self, version: RoomVersion, content: JsonObject, state_key: str | None = ALICE) -> set[Slot]:
        slots = auth_slots(
            type="m.room.member", sender=BOB, state_key=state_key, content=content, version=version
        )
        assert len(slots) == len(set(slots))
        return set(slots) - {POWER, CREATE, member_slot(BOB)}

    @every_version
    def test_of_any_event(self, version: RoomVersion) -> None:
        slots = auth_slots(type="x", sender=BOB, state_key="@x:y", content={}, version=version)
        create = {CREATE} if int(version.identifier) < 12 else set()
        assert set(slots) == {POWER, member_slot(BOB)} | create

    @every_version
    def test_of_a_create_event(self, version: RoomVersion) -> None:
        assert auth_slots(type="m.room.create", sender=BOB, state_key="", content={}, version=version) == []

    @every_version
    def test_of_memberships(self, version: RoomVersion) -> None:
        for membership in ("join", "invite", "knock"):
            assert self.slots(version, {"membership": membership}) == {member_slot(ALICE), JOIN_RULES}
        others: list[Any] = ["leave", "ban", "x", None, ["join"]]
        for membership in others:
            assert self.slots(version, {"membership": membership}) == {member_slot(ALICE)}
        assert self.slots(version, {"membership": "join"}, BOB) == {JOIN_RULES}
        assert self.slots(version, {}, None) == set()

    @every_version
    def test_of_third_party_invites(self, version: RoomVersion) -> None:
        content = {"membership": "invite", "third_party_invite": {"signed": {"token": "t"}}}
        third_party = ("m.room.third_party_invite", "t")
        assert third_party in self.slots(version, content)
        assert third_party not in self.slots(version, {**content, "membership": "join"})
        malformed: list[Any] = [None, {}, {"signed": []}, {"signed": {"token": 5}}]
        for broken in malformed:
            assert self.slots(version, {**content, "third_party_invite": broken}) == {
                member_slot(ALICE),
                JOIN_RULES,
            }

    @every_version
    def test_of_restricted_joins(self, version: RoomVersion) -> None:
        content = {"membership": "join", "join_authorised_via_users_server": CAROL}
        is_restricted = int(version.identifier) >= 8
        assert (member_slot(CAROL) in self.slots(version, content)) is is_restricted
        assert member_slot(CAROL) not in self.slots(version, {**content, "membership": "invite"})
        assert self.slots(version, {**content, "join_authorised_via_users_server": 5}) == {
            member_slot(ALICE),
            JOIN_RULES,
        }


class TestAuthEvents:
    """Rule 2; rule 3 in room version 12."""

    def cited(self, room: Room, event: Event) -> list[Event]:
        return [state for state in room.state.values() if state.event_id in event.auth_events]

    def rejects(self, event: Event, auth_events: list[Event], rejected: set[EventID] | None = None) -> bool:
        try:
            check_auth_events(event, auth_events, rejected or set())
        except AuthRejected:
            return True
        return False

    @every_version
    def test_what_is_selected_is_accepted(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        for event in (
            room.create,
            room.event("m.room.message", {}, sender=ALICE),
            room.event("m.room.member", {"membership": "invite"}, state_key=BOB),
            room.event("m.room.name", {}, state_key=""),
        ):
            assert not self.rejects(event, self.cited(room, event))

    @every_version
    def test_fewer_than_selected_are_accepted(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        event = room.event("m.room.message", {})
        needed = [] if version.identifier == "12" else [room.create]
        assert not self.rejects(event, needed)

    @every_version
    def test_two_for_one_slot(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        older = room.state[POWER]
        room.set_levels(ban=1)
        event = room.event("m.room.message", {})
        assert self.rejects(event, [*self.cited(room, event), older])

    @every_version
    def test_unexpected(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        event = room.event("m.room.message", {})
        cited = self.cited(room, event)
        message = room.event("m.room.message", {})
        for unexpected in (room.state[JOIN_RULES], room.state[member_slot(ALICE)], message):
            assert self.rejects(event, [*cited, unexpected])

    @every_version
    def test_create_event(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        event = room.event("m.room.message", {})
        others = [cited for cited in self.cited(room, event) if cited is not room.create]
        assert self.rejects(event, others) is (version.identifier != "12")
        assert self.rejects(event, [*others, room.create]) is (version.identifier == "12")

    @every_version
    def test_rejected(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        event = room.event("m.room.message", {})
        assert self.rejects(event, self.cited(room, event), {room.state[POWER].event_id})
        assert not self.rejects(event, self.cited(room, event), {EventID("$other")})

    @every_version
    def test_of_another_room(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        event = room.event("m.room.message", {})
        foreign = [msgspec.structs.replace(cited, room_id="!other:a") for cited in self.cited(room, event)]
        assert self.rejects(event, foreign)


class TestRoom:
    @every_version
    def test_without_create_event(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        event = room.event("m.room.message", {})
        assert allows(room, event)
        del room.state[CREATE]
        assert not allows(room, event)

    @versions(12)
    def test_room_id_of_another_create_event(self, version: RoomVersion) -> None:
        """Rule 2 of room version 12."""
        room = Room.with_members(version)
        other = Room.with_members(version, x="y")
        assert not allows(room, other.event("m.room.message", {}))

    @every_version
    @pytest.mark.parametrize("federates", [False, True, "false", None])
    def test_federation(self, federates: Any, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE, BOB, **{"m.federate": federates})
        assert room.try_event("m.room.message", {}, sender=ALICE)
        assert room.try_event("m.room.message", {}, sender=BOB) is (federates is not False)
        assert room.try_member(CAROL, "join") is (federates is not False)


class TestAliases:
    """Rule 4 of room versions 1 to 5."""

    @every_version
    def test_servers_set_their_own_aliases(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        # Nobody of that server is in the room, which other state events ask for.
        of_own_server = room.try_event("m.room.aliases", {}, sender=BOB, state_key="b")
        assert of_own_server is (int(version.identifier) < 6)

    @versions(1, 5)
    @pytest.mark.parametrize("state_key", [None, "", "a", "b:8448"])
    def test_not_those_of_others(self, state_key: str | None, version: RoomVersion) -> None:
        room = Room.with_members(version, BOB)
        room.set_levels({BOB: 100})
        assert not room.try_event("m.room.aliases", {}, sender=BOB, state_key=state_key)

    @versions(6)
    def test_they_are_like_other_state_since_6(self, version: RoomVersion) -> None:
        room = Room.with_members(version, BOB)
        assert not room.try_event("m.room.aliases", {}, sender=BOB, state_key="b")
        room.set_levels({BOB: 50})
        assert room.try_event("m.room.aliases", {}, sender=BOB, state_key="a")


class TestSending:
    @every_version
    @pytest.mark.parametrize("membership", ["invite", "leave", "ban", "knock"])
    def test_only_members_send(self, membership: str, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        assert room.try_event("m.room.message", {}, sender=ALICE)
        assert not room.try_event("m.room.message", {}, sender=BOB)
        room.member(ALICE, membership)
        assert not room.try_event("m.room.message", {}, sender=ALICE)

    @every_version
    def test_third_party_invites_need_the_invite_level(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        room.set_levels({ALICE: 10}, invite=10, state_default=99)
        invite: JsonObject = {"type": "m.room.third_party_invite", "content": {}, "state_key": "token"}
        assert room.try_event(sender=ALICE, **invite)
        room.set_levels({ALICE: 9}, invite=10, state_default=0)
        assert not room.try_event(sender=ALICE, **invite)

    @every_version
    def test_levels_by_type(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        room.set_levels({ALICE: 5}, events={"easy": 5, "hard": 6}, events_default=4, state_default=6)
        assert room.try_event("easy", {}, sender=ALICE)
        assert room.try_event("easy", {}, sender=ALICE, state_key="")
        assert not room.try_event("hard", {}, sender=ALICE)
        assert room.try_event("other", {}, sender=ALICE)
        assert not room.try_event("other", {}, sender=ALICE, state_key="")

    @every_version
    def test_default_levels(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        assert room.try_event("m.room.message", {}, sender=ALICE)
        assert not room.try_event("m.room.topic", {}, sender=ALICE, state_key="")
        room.set_levels({ALICE: 50})
        assert room.try_event("m.room.topic", {}, sender=ALICE, state_key="")

    @every_version
    def test_without_power_levels_only_the_creator_sets_state(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        del room.state[POWER]
        assert room.try_event("m.room.topic", {}, state_key="")
        assert not room.try_event("m.room.topic", {}, sender=ALICE, state_key="")
        assert room.try_event("m.room.message", {}, sender=ALICE)

    @every_version
    def test_state_keys_that_are_user_ids(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        room.set_levels(state_default=0)
        assert room.try_event("x", {}, sender=ALICE, state_key=ALICE)
        assert not room.try_event("x", {}, sender=ALICE, state_key=CREATOR)
        assert not room.try_event("x", {}, sender=ALICE, state_key="@")
        assert not room.try_event("x", {}, state_key=ALICE)
        assert room.try_event("x", {}, sender=ALICE, state_key="alice")

    @versions(1, 10)
    @pytest.mark.parametrize("key", ["type", "state_key", "sender", "room_id"])
    def test_fields_beyond_255_bytes_are_rejected(self, key: str, version: RoomVersion) -> None:
        room = Room.with_members(version)
        text = {"sender": "@{}:a", "room_id": "!{}:a"}.get(key, "{}").format("é" * 127)
        pdu = room.event("m.room.topic", {}, state_key="").pdu()
        event = parse_pdu({**pdu, key: text + ("b" if key in {"type", "state_key"} else "")}, version)
        room.state[member_slot(event.sender)] = room.state[member_slot(CREATOR)]
        room.set_levels(state_default=0)
        assert allows(room, event) is (key in {"type", "state_key"})
        longer = parse_pdu({**pdu, key: text.replace("é", "éé", 1)}, version)
        room.state[member_slot(longer.sender)] = room.state[member_slot(CREATOR)]
        assert not allows(room, longer)


class TestRedactions:
    @versions(1, 2)
    def test_they_were_once_authorised(self, version: RoomVersion) -> None:
        """Rule 11 of room versions 1 and 2."""
        room = Room.with_members(version, BOB)
        own, others = EventID("$x:b"), EventID("$x:a")
        redaction: JsonObject = {"type": "m.room.redaction", "content": {}, "sender": BOB}
        assert room.try_event(redacts=own, **redaction)
        assert not room.try_event(redacts=others, **redaction)
        assert not room.try_event(redacts=None, **redaction)
        room.set_levels({BOB: 50})
        assert room.try_event(redacts=others, **redaction)
        room.set_levels({BOB: 50}, redact=51)
        assert not room.try_event(redacts=others, **redaction)

    @versions(3)
    def test_now_they_are_like_other_events(self, version: RoomVersion) -> None:
        room = Room.with_members(version, BOB)
        target = room.create.event_id
        assert room.try_event("m.room.redaction", {}, sender=BOB, redacts=target)
        room.set_levels(events={"m.room.redaction": 1})
        assert not room.try_event("m.room.redaction", {}, sender=BOB, redacts=target)

    @every_version
    def test_what_they_apply_to(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE, BOB)
        target = room.add("m.room.message", {}, sender=ALICE)

        def applies(sender: UserID, **levels: Any) -> bool:
            room.set_levels(**levels)
            redaction = room.event("m.room.redaction", {}, sender=sender, redacts=target.event_id)
            return redaction_applies(redaction, target, power_levels(room.state, version))

        assert applies(ALICE), "of the sender's own server"
        assert applies(CREATOR, redact=200), "of the sender's own server"
        assert not applies(BOB), "by nobody in particular"
        assert applies(BOB, users={BOB: 50}), "at the redact level"
        assert not applies(BOB, users={BOB: 50}, redact=51), "below the redact level"
        assert not applies(BOB, users={BOB: 50}, redact="x"), "at a level that nobody can read"
        assert applies(ALICE, redact="x"), "of the sender's own server"

    @every_version
    def test_they_do_not_apply_to_other_rooms(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        target = msgspec.structs.replace(room.create, room_id="!other:a")
        redaction = room.event("m.room.redaction", {}, redacts=target.event_id)
        assert not redaction_applies(redaction, target, power_levels(room.state, version))
