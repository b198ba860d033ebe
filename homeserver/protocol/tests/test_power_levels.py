import math
from typing import Any

import pytest

from homeserver.protocol.json import JsonObject
from homeserver.protocol.power_levels import PowerLevels, UnreadableLevel, creators, power_levels, read_level
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.tests.rooms import ALICE, BOB, CREATOR, Room, every_version, versions


def levels_of(version: RoomVersion, content: JsonObject, **create_content: Any) -> PowerLevels:
    room = Room(version, **create_content)
    return PowerLevels(room.create, room.event("m.room.power_levels", content, state_key=""), version)


@every_version
def test_without_power_levels_event(version: RoomVersion) -> None:
    levels = power_levels(Room(version).state, version)
    assert levels.user(CREATOR) == (math.inf if version.identifier == "12" else 100)
    assert levels.user(ALICE) == 0
    assert (levels.ban, levels.kick, levels.redact, levels.invite) == (50, 50, 50, 0)
    assert (levels.required_for("x", True), levels.required_for("x", False)) == (50, 0)
    assert levels.notifications() == 50


@every_version
def test_of_an_empty_power_levels_event(version: RoomVersion) -> None:
    levels = levels_of(version, {})
    assert levels.user(CREATOR) == (math.inf if version.identifier == "12" else 0)
    assert levels.user(ALICE) == 0
    assert (levels.ban, levels.kick, levels.redact, levels.invite) == (50, 50, 50, 0)
    assert (levels.required_for("x", True), levels.required_for("x", False)) == (50, 0)


@every_version
def test_of_a_full_power_levels_event(version: RoomVersion) -> None:
    content = {
        "users": {ALICE: 10},
        "users_default": -1,
        "events": {"m.room.name": 20},
        "events_default": 2,
        "state_default": 3,
        "ban": 4,
        "kick": 5,
        "redact": 6,
        "invite": 7,
        "notifications": {"room": 8},
    }
    levels = levels_of(version, content)
    assert (levels.user(ALICE), levels.user(BOB)) == (10, -1)
    assert [levels.required_for("m.room.name", is_state) for is_state in (True, False)] == [20, 20]
    assert [levels.required_for("x", is_state) for is_state in (True, False)] == [3, 2]
    assert (levels.ban, levels.kick, levels.redact, levels.invite) == (4, 5, 6, 7)
    assert (levels.notifications("room"), levels.notifications("other")) == (8, 50)


def test_without_create_event() -> None:
    with pytest.raises(LookupError):
        power_levels({}, versions(12).args[1][0])


@every_version
def test_creators(version: RoomVersion) -> None:
    create = Room(version, creator=ALICE, additional_creators=[BOB]).create
    number = int(version.identifier)
    expected = {12: (CREATOR, BOB), 11: (CREATOR,)}.get(number, (ALICE,))
    assert creators(create) == expected


@versions(12)
def test_creators_stand_above_everyone(version: RoomVersion) -> None:
    levels = levels_of(
        version, {"users": {CREATOR: 0}, "users_default": 2**53 - 1}, additional_creators=[BOB]
    )
    assert levels.user(CREATOR) == levels.user(BOB) == math.inf
    assert levels.user(ALICE) < levels.user(BOB)


@every_version
@pytest.mark.parametrize(
    ("value", "level"),
    [
        ("100", 100),
        ("000100", 100),
        ("+100", 100),
        ("-100", -100),
        (" 100 ", 100),
        (" 00100 ", 100),
        (" +100 ", 100),
        (" -100 ", -100),
        (50.57, 50),
        (-50.57, -50),
        (5.114698e4, 51146),
    ],
)
def test_strings_and_floats_of_old_versions(value: Any, level: int, version: RoomVersion) -> None:
    assert read_level(value, version) == (None if int(version.identifier) >= 10 else level)


@every_version
@pytest.mark.parametrize(
    "value", ["", "x", "1.5", "1e3", "1_000", "0x10", "--1", "+ 1", True, None, [], {}, "1" * 5_000]
)
def test_what_is_no_level_cannot_be_read(value: Any, version: RoomVersion) -> None:
    assert read_level(value, version) is None
    levels = levels_of(
        version, {"ban": value, "users": {ALICE: value}, "users_default": 5, "events": [value]}
    )
    with pytest.raises(UnreadableLevel):
        _ = levels.ban
    with pytest.raises(UnreadableLevel):
        levels.user(ALICE)
    with pytest.raises(UnreadableLevel):
        levels.required_for("x", True)
    assert (levels.user(BOB), levels.kick) == (5, 50), "nor does it matter where it is not asked for"


@every_version
def test_anything_may_stand_for_notifications(version: RoomVersion) -> None:
    for notifications in (5, {"room": "x"}):
        assert levels_of(version, {"notifications": notifications}).notifications() == 50


def test_strings_of_any_sensible_length() -> None:
    assert read_level("1".zfill(1_000), versions(1).args[1][0]) == 1


@every_version
@pytest.mark.parametrize("value", [0, -5, 100, 2**53 - 1])
def test_integers(value: int, version: RoomVersion) -> None:
    assert read_level(value, version) == value
