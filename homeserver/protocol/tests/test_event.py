import pytest

from homeserver.protocol.event import Event
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.tests.rooms import ALICE, Room, every_version


@every_version
def test_slots_of_state_events(version: RoomVersion) -> None:
    event = Room(version).event("x", {}, state_key="key")
    assert event.is_state
    assert event.slot == ("x", "key")
    assert Room(version).event("x", {}, state_key="").is_state


@every_version
def test_messages_have_no_slot(version: RoomVersion) -> None:
    event = Room(version).event("x", {})
    assert not event.is_state
    assert "state_key" not in event.pdu()
    with pytest.raises(ValueError, match="slot"):
        _ = event.slot


@every_version
@pytest.mark.parametrize(
    ("type_", "content", "membership"),
    [
        ("m.room.member", {"membership": "join"}, "join"),
        ("m.room.member", {"membership": "x"}, "x"),
        ("m.room.member", {"membership": 5}, None),
        ("m.room.member", {}, None),
        ("x", {"membership": "join"}, None),
    ],
)
def test_membership(
    type_: str, content: dict[str, object], membership: str | None, version: RoomVersion
) -> None:
    assert Room(version).event(type_, content, sender=ALICE, state_key=ALICE).membership == membership


@every_version
def test_events_cannot_be_changed(version: RoomVersion) -> None:
    event: Event = Room(version).create
    with pytest.raises(AttributeError):
        event.depth = 5  # type: ignore[misc] # that is what must fail
