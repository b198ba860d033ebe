"""Two people meet in a room."""

from collections.abc import Mapping

from synapse_compat_tests.compare import Deliberate, Stage, compare
from tests.client import Json

NOTHING: Json = {"types": []}
# What is compared is the room.
ROOMS_ONLY: Json = {"presence": NOTHING, "account_data": NOTHING}

DELIBERATE = [
    Deliberate("The specification has no such key", "*.unsigned.redacted_by"),
    Deliberate(
        "unsigned: 'Contains optional extra information about the event.'",
        "*.unsigned.redacted_because.unsigned.*",
    ),
    Deliberate(
        "m.joined_member_count: 'If this field has not changed since the last sync, it may be omitted. "
        "Required otherwise.' Synapse has it only where members are loaded lazily",
        "*.summary.m.*_member_count",
    ),
]


def conversation(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(members=[bob], name="The Moot", room_version="11")
    since = bob.sync(filter=ROOMS_ONLY).next_batch
    event_id = alice.send(room_id, "Is anybody there?")
    bob.sync(since, filter=ROOMS_ONLY)
    bob.event(room_id, event_id)
    bob.redact(room_id, event_id)
    alice.redact(room_id, event_id, reason="Nobody was")
    bob.event(room_id, event_id)
    bob.messages(room_id, limit=2)
    bob.leave(room_id)
    bob.put(f"/rooms/{room_id}/send/m.room.message/late", {"msgtype": "m.text", "body": "Wait!"})
    bob.event(room_id, event_id)
    alice.sync(filter=ROOMS_ONLY)


def test_conversation(servers: Mapping[str, str]) -> None:
    compare(conversation, servers, DELIBERATE)


def strangers(stage: Stage) -> None:
    """What is refused, and how."""
    alice, mallory = stage.register("alice"), stage.register("mallory")
    room_id = alice.create_room(room_version="11")
    message = {"msgtype": "m.text", "body": "Let me in"}
    stage.anonymous.get("/sync")
    stage.anonymous.get("/nonsense")
    mallory.post(f"/rooms/{room_id}/join")
    mallory.put(f"/rooms/{room_id}/send/m.room.message/1", message)
    mallory.state(room_id, "m.room.name")
    mallory.invite(room_id, mallory)
    alice.put(f"/rooms/{room_id}/send/m.room.message/1", b"{")
    alice.put(f"/rooms/{room_id}/send/m.room.message/1", b"[]")
    alice.state(room_id, "m.room.nonsense")
    alice.event(room_id, "$nonsense")
    mallory.access_token = "nonsense"
    mallory.get("/account/whoami")


def test_strangers(servers: Mapping[str, str]) -> None:
    compare(strangers, servers)
