import pytest

from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import ROOM_VERSIONS
from homeserver.protocol.stripped import MOST_TOLD, STRIPPED_SLOTS, stripped_by_others, stripped_state
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


def _told(size: int = 1) -> JsonObject:
    return {"type": "m.room.topic", "state_key": "", "sender": ALICE, "content": {"topic": "x" * size}}


def test_of_others_what_clients_need_remains() -> None:
    whole = {**_told(), "event_id": "$it", "unsigned": {"age": 1}}
    nonsense: list[JsonObject] = [{}, {**_told(), "content": []}, {**_told(), "state_key": None}]
    assert stripped_by_others([*nonsense, whole]) == [_told()]


def test_others_cannot_tell_without_end() -> None:
    assert len(stripped_by_others([_told()] * 1000)) == MOST_TOLD
    large = _told(60_000)
    assert stripped_by_others([large] * 50) == [large] * 17
    assert stripped_by_others([_told(), _told(2_000_000), _told()]) == [_told()]
