import pytest

from homeserver.protocol.room_versions import ROOM_VERSIONS
from homeserver.protocol.stripped import STRIPPED_SLOTS, stripped_state
from homeserver.protocol.tests.rooms import ALICE, CREATOR, Room

ROOM = Room.with_members(ROOM_VERSIONS["12"], ALICE)


def test_stripped_events_have_four_keys() -> None:
    topic = ROOM.event("m.room.topic", {"topic": "x"}, state_key="")
    assert stripped_state(topic) == {
        "type": "m.room.topic",
        "state_key": "",
        "sender": CREATOR,
        "content": {"topic": "x"},
    }


def test_messages_cannot_be_stripped() -> None:
    with pytest.raises(ValueError, match="slot"):
        stripped_state(ROOM.event("m.room.message", {}))


def test_create_event_and_join_rules_are_always_there() -> None:
    assert {slot for slot in STRIPPED_SLOTS if slot in ROOM.state} == {
        ("m.room.create", ""),
        ("m.room.join_rules", ""),
    }
