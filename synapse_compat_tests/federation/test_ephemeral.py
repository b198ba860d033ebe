"""Typing, receipts and presence, told to the other server."""

from collections.abc import Callable

import pytest

from synapse_compat_tests.federation.acquaintance import Acquaintance
from synapse_compat_tests.federation.eventually import eventually
from tests.client import Json


def told(acquaintance: Acquaintance, type_: str) -> Callable[[], Json]:
    """The newest content of a type that bob was shown in the room."""
    shown: list[Json] = [{}]

    def newest() -> Json:
        room = acquaintance.news("rooms", "join").get(acquaintance.room_id, {})
        events = room.get("ephemeral", {}).get("events", [])
        shown.extend(event["content"] for event in events if event["type"] == type_)
        return shown[-1]

    return newest


def test_typing(acquaintance: Acquaintance) -> None:
    alice = acquaintance.alice
    path = f"/rooms/{acquaintance.room_id}/typing/{alice.user_id}"
    alice.put(path, {"typing": True, "timeout": 30_000})
    seen = told(acquaintance, "m.typing")
    eventually(seen, lambda content: content.get("user_ids") == [alice.user_id])
    alice.put(path, {"typing": False})
    eventually(seen, lambda content: not content.get("user_ids"))


@pytest.mark.parametrize("body", [{}, {"thread_id": "main"}])
def test_receipts(acquaintance: Acquaintance, body: Json) -> None:
    alice, room_id = acquaintance.alice, acquaintance.room_id
    event_id = acquaintance.bob.send(room_id, "read me")
    eventually(lambda: alice.get(f"/rooms/{room_id}/event/{event_id}").status, lambda status: status == 200)
    assert alice.post(f"/rooms/{room_id}/receipt/m.read/{event_id}", body).status == 200
    content = eventually(told(acquaintance, "m.receipt"), lambda seen: event_id in seen)
    assert content[event_id]["m.read"][alice.user_id].get("thread_id") == body.get("thread_id")


def test_presence(acquaintance: Acquaintance) -> None:
    alice = acquaintance.alice
    alice.put(f"/presence/{alice.user_id}/status", {"presence": "online", "status_msg": "here"})
    shown: dict[str, str | None] = {}

    def messages() -> Json:
        for event in acquaintance.news("presence", "events"):
            shown[event["sender"]] = event["content"].get("status_msg")
        return shown

    eventually(messages, lambda seen: seen.get(alice.user_id) == "here")
