import pytest

from homeserver.protocol.errors import UnsupportedRoomVersion
from homeserver.protocol.room_versions import (
    DEFAULT_ROOM_VERSION,
    ROOM_VERSIONS,
    RoomVersion,
    StateResolution,
    room_version,
)

# The versions from which on a feature is there, after the changes that each version's page lists.
SINCE = {
    "strict_canonical_json": 6,
    "enforces_key_validity": 5,
    "limits_notification_levels": 6,
    "knock": 7,
    "restricted": 8,
    "knock_restricted": 10,
    "integer_power_levels": 10,
    "implicit_creator": 11,
    "redacts_in_content": 11,
    "byte_limits": 11,
    "privileged_creators": 12,
    "room_id_is_create_hash": 12,
}
UNTIL = {"edges_carry_hashes": 2, "redactions_authorised": 2, "aliases_authorised_by_server": 5}


@pytest.mark.parametrize("feature", SINCE)
def test_features_that_came(feature: str) -> None:
    having = {name for name, version in ROOM_VERSIONS.items() if getattr(version, feature)}
    assert having == {str(number) for number in range(SINCE[feature], 13)}


@pytest.mark.parametrize("feature", UNTIL)
def test_features_that_went(feature: str) -> None:
    having = {name for name, version in ROOM_VERSIONS.items() if getattr(version, feature)}
    assert having == {str(number) for number in range(1, UNTIL[feature] + 1)}


def test_state_resolution() -> None:
    algorithms = [version.state_resolution for version in ROOM_VERSIONS.values()]
    assert algorithms == [StateResolution.V1, *[StateResolution.V2] * 10, StateResolution.V2_1]


def test_all_versions_are_stable_and_named() -> None:
    assert list(ROOM_VERSIONS) == [str(number) for number in range(1, 13)]
    for name, version in ROOM_VERSIONS.items():
        assert version.stable
        assert version.identifier == name
        assert room_version(name) is version


def test_default() -> None:
    assert DEFAULT_ROOM_VERSION == "12"


@pytest.mark.parametrize("name", ["", "0", "13", "01", "org.matrix.msc1234"])
def test_unknown_versions(name: str) -> None:
    with pytest.raises(UnsupportedRoomVersion):
        room_version(name)


def test_versions_can_be_keys() -> None:
    versions: set[RoomVersion] = set(ROOM_VERSIONS.values())
    assert len(versions) == 12
