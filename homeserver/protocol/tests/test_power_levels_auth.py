"""The rules for `m.room.power_levels`: what they let pass and what they reject, per room version."""

from typing import Any

import pytest

from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.tests.rooms import ALICE, BOB, CAROL, CREATOR, Room, every_version, versions

NAMED = ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")


def room_where_alice_has_50(version: RoomVersion, **content: Any) -> Room:
    """Alice has level 50, and so has Bob; Carol has 49."""
    room = Room.with_members(version, ALICE, BOB, CAROL)
    room.set_levels({ALICE: 50, BOB: 50, CAROL: 49}, **content)
    return room


def try_change(room: Room, change: JsonObject) -> bool:
    """Whether Alice may make the change to the present power levels; None takes a key away."""
    content = {**room.state["m.room.power_levels", ""].content, **change}
    kept = {key: value for key, value in content.items() if value is not None}
    return room.try_event("m.room.power_levels", kept, sender=ALICE, state_key="")


def try_users(room: Room, change: JsonObject) -> bool:
    users = {**room.state["m.room.power_levels", ""].content["users"], **change}
    return try_change(room, {"users": {key: value for key, value in users.items() if value is not None}})


class TestShape:
    @every_version
    @pytest.mark.parametrize("name", NAMED)
    @pytest.mark.parametrize("value", ["5", True, None, [], {}])
    def test_levels_are_integers(self, name: str, value: Any, version: RoomVersion) -> None:
        room = Room.with_members(version)
        content = {**room.state["m.room.power_levels", ""].content, name: value}
        allowed = room.try_event("m.room.power_levels", content, state_key="")
        assert allowed is (value == "5" and int(version.identifier) < 10)

    @every_version
    @pytest.mark.parametrize(
        "content", [{"ban": None}, {"kick": "x"}, {"events": {"x": True}}, {"events": 5}]
    )
    def test_the_first_may_have_other_levels_until_9(self, content: JsonObject, version: RoomVersion) -> None:
        room = Room(version)
        room.member(CREATOR, "join")
        allowed = room.try_event("m.room.power_levels", content, state_key="")
        assert allowed is (int(version.identifier) < 10)

    @versions(1, 9)
    def test_such_levels_let_nobody_do_what_needs_them(self, version: RoomVersion) -> None:
        room = Room.with_members(version, ALICE)
        room.set_levels(ban="x", events={"y": None})
        assert not room.try_member(ALICE, "ban", CREATOR)
        assert not room.try_event("y", {})
        assert not room.try_event("m.room.power_levels", {"users": {CREATOR: 100}}, state_key="")
        assert room.try_member(ALICE, "leave", CREATOR), "kicking needs none of them"
        assert room.try_event("x", {})

    @versions(10)
    @pytest.mark.parametrize("name", ["events", "notifications", "users"])
    @pytest.mark.parametrize("value", ["x", None, [], 5, {"@a:b": "5"}, {"@a:b": True}, {"@a:b": None}])
    def test_objects_hold_integers_since_10(self, name: str, value: Any, version: RoomVersion) -> None:
        room = Room.with_members(version)
        content = room.state["m.room.power_levels", ""].content
        assert room.try_event("m.room.power_levels", {**content, name: {"@a:b": 5}}, state_key="")
        assert not room.try_event("m.room.power_levels", {**content, name: value}, state_key="")

    @every_version
    @pytest.mark.parametrize(
        "users", [None, [], "x", {"nobody": 5}, {"@a": 5}, {"@a:b": None}, {"@a:b": "x"}]
    )
    def test_users_have_ids_and_levels(self, users: Any, version: RoomVersion) -> None:
        room = Room.with_members(version)
        assert not room.try_event("m.room.power_levels", {"users": users}, state_key="")

    @every_version
    def test_users_of_historical_ids(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        users = room.state["m.room.power_levels", ""].content["users"]
        content = {"users": {**users, "@Ä b:c": 5}}
        assert room.try_event("m.room.power_levels", content, state_key="")

    @every_version
    def test_levels_in_strings_until_9(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        content = {"users": {**room.state["m.room.power_levels", ""].content["users"], ALICE: " 50"}}
        allowed = room.try_event("m.room.power_levels", content, state_key="")
        assert allowed is (int(version.identifier) < 10)

    @every_version
    def test_creators_have_no_level_since_12(self, version: RoomVersion) -> None:
        room = Room.with_members(version, additional_creators=[ALICE])
        users = room.state["m.room.power_levels", ""].content["users"]
        for creator in (CREATOR, ALICE):
            content = {"users": {**users, creator: 100}}
            allowed = room.try_event("m.room.power_levels", content, state_key="")
            assert allowed is (version.identifier != "12")

    @every_version
    def test_the_first_power_levels_may_be_anything(self, version: RoomVersion) -> None:
        room = Room.with_members(version)
        del room.state["m.room.power_levels", ""]
        content = {"users": {ALICE: 1_000}, "ban": 1_000}
        assert room.try_event("m.room.power_levels", content, state_key="")
        assert not room.try_event("m.room.power_levels", {"users": {"nobody": 5}}, state_key="")


class TestNamedLevels:
    @every_version
    @pytest.mark.parametrize("name", NAMED)
    def test_up_to_ones_own(self, name: str, version: RoomVersion) -> None:
        room = room_where_alice_has_50(version, **{name: 50})
        assert try_change(room, {name: 49}), "changed"
        assert try_change(room, {name: None}), "removed"
        assert not try_change(room, {name: 51}), "changed to more than the sender has"

    @every_version
    @pytest.mark.parametrize("name", NAMED)
    def test_not_those_above(self, name: str, version: RoomVersion) -> None:
        room = room_where_alice_has_50(version, **{name: 51, "events": {"m.room.power_levels": 50}})
        assert try_change(room, {}), "left as it is"
        assert not try_change(room, {name: 50}), "changed from more than the sender has"
        assert not try_change(room, {name: None}), "removed though more than the sender has"

    @every_version
    @pytest.mark.parametrize("name", NAMED)
    def test_new_ones(self, name: str, version: RoomVersion) -> None:
        room = room_where_alice_has_50(version)
        assert try_change(room, {name: 50})
        assert not try_change(room, {name: 51})

    @versions(1, 9)
    def test_other_writings_of_the_same_level_are_no_change(self, version: RoomVersion) -> None:
        room = room_where_alice_has_50(version, ban=60)
        assert try_change(room, {"ban": "060"})
        assert not try_change(room, {"ban": "061"})


class TestEntries:
    """`events`, and since room version 6 `notifications`."""

    @every_version
    @pytest.mark.parametrize("name", ["events", "notifications"])
    def test_entries(self, name: str, version: RoomVersion) -> None:
        is_checked = name == "events" or int(version.identifier) >= 6
        room = room_where_alice_has_50(version, **{name: {"own": 50, "above": 51}})
        for allowed in (
            {"own": 49, "above": 51},
            {"above": 51},
            {"own": 50, "above": 51, "new": 50},
        ):
            assert try_change(room, {name: allowed})
        for forbidden in (
            {"own": 51, "above": 51},
            {"own": 50, "above": 50},
            {"own": 50},
            {"own": 50, "above": 51, "new": 51},
            None,
        ):
            assert try_change(room, {name: forbidden}) is not is_checked


class TestUsers:
    @every_version
    def test_those_below(self, version: RoomVersion) -> None:
        room = room_where_alice_has_50(version)
        assert try_users(room, {CAROL: 50}), "raised to one's own level"
        assert try_users(room, {CAROL: 0}), "lowered"
        assert try_users(room, {CAROL: None}), "removed"
        assert not try_users(room, {CAROL: 51}), "raised above"

    @every_version
    def test_equals(self, version: RoomVersion) -> None:
        room = room_where_alice_has_50(version)
        assert not try_users(room, {BOB: 49})
        assert not try_users(room, {BOB: None})
        assert not try_users(room, {BOB: 51})

    @versions(1, 11)
    def test_those_above(self, version: RoomVersion) -> None:
        room = room_where_alice_has_50(version)
        assert not try_users(room, {CREATOR: 50})
        assert not try_users(room, {CREATOR: None})

    @every_version
    def test_oneself(self, version: RoomVersion) -> None:
        room = room_where_alice_has_50(version)
        assert try_users(room, {ALICE: 10})
        assert try_users(room, {ALICE: None})
        assert not try_users(room, {ALICE: 51})

    @every_version
    def test_new_ones(self, version: RoomVersion) -> None:
        room = room_where_alice_has_50(version)
        assert try_users(room, {"@new:a": 50})
        assert not try_users(room, {"@new:a": 51})

    @versions(12)
    def test_creators_set_any_level(self, version: RoomVersion) -> None:
        room = room_where_alice_has_50(version, ban=2**53 - 1)
        content = {"users": {ALICE: 2**53 - 1}, "ban": 0}
        assert room.try_event("m.room.power_levels", content, state_key="")


@every_version
def test_the_level_for_power_levels_comes_first(version: RoomVersion) -> None:
    room = room_where_alice_has_50(version, events={"m.room.power_levels": 51})
    assert not try_change(room, {})
