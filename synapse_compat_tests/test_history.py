"""What a room has kept: its events in order, around one, at a moment, and what is looked for in them."""

import json
from collections.abc import Mapping

from synapse_compat_tests.compare import Deliberate, Stage, compare

CODES = "'Errors are generally best expressed by their error code rather than the HTTP status code returned.'"


def paging(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(room_version="11", preset="public_chat", name="The Moot", members=[bob])
    for number in range(5):
        event_id = alice.send(room_id, f"number {number}")
    messages = f"/rooms/{room_id}/messages"
    only_messages = json.dumps({"types": ["m.room.message"], "senders": [alice.user_id]})
    first = bob.get(messages, dir="b", limit=2, filter=only_messages)
    bob.get(messages, dir="b", limit=2, filter=only_messages, **{"from": first["end"]})
    bob.get(messages, dir="b", limit=1, filter=json.dumps({"lazy_load_members": True}))
    bob.get(messages, dir="f", limit=3, filter=only_messages)
    bob.get(messages, dir="sideways")
    bob.get(messages, dir="b", limit="many")
    bob.get(messages, dir="b", **{"from": "nonsense"})
    bob.get(messages, dir="b", filter="{")
    around = f"/rooms/{room_id}/context"
    bob.get(f"{around}/{event_id}", limit=2, filter=only_messages)
    bob.get(f"{around}/{event_id}", limit=0, filter=only_messages)
    bob.get(f"{around}/$nonsense")


def test_paging(servers: Mapping[str, str]) -> None:
    deliberate = [Deliberate(CODES, "* GET *from=nonsense 400 .errcode", "* GET *filter={ 400 .errcode")]
    compare(paging, servers, deliberate)


def moments(stage: Stage) -> None:
    alice, mallory = stage.register("alice"), stage.register("mallory")
    room_id = alice.create_room(room_version="11")
    alice.send(room_id, "now")
    at = f"/_matrix/client/v1/rooms/{room_id}/timestamp_to_event"
    alice.get(at, ts=0, dir="f")
    alice.get(at, ts=0, dir="b")
    alice.get(at, ts=9_999_999_999_999, dir="b")
    alice.get(at, ts=9_999_999_999_999, dir="f")
    alice.get(at, dir="f")
    alice.get(at, ts=0, dir="sideways")
    mallory.get(at, ts=0, dir="f")


def test_moments(servers: Mapping[str, str]) -> None:
    compare(moments, servers)


def state(stage: Stage) -> None:
    alice, mallory = stage.register("alice"), stage.register("mallory")
    room_id = alice.create_room(room_version="11", name="The Moot")
    alice.put(f"/rooms/{room_id}/state/org.example.x/key", {"a": 1})
    alice.get(f"/rooms/{room_id}/state/org.example.x/key")
    alice.get(f"/rooms/{room_id}/state/org.example.x/key", format="content")
    alice.get(f"/rooms/{room_id}/state/org.example.x/key", format="event")
    alice.get(f"/rooms/{room_id}/state/org.example.x")
    alice.get(f"/rooms/{room_id}/state")
    alice.put(f"/rooms/{room_id}/state/m.room.member/{mallory.user_id}", {"membership": "nonsense"})
    alice.put(f"/rooms/{room_id}/state/m.room.create", {})
    mallory.get(f"/rooms/{room_id}/state")
    mallory.get(f"/rooms/{room_id}/state/m.room.name")
    mallory.get("/rooms/!none:localhost/state")


def test_state(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            "403: 'The sender doesn't have permission to send the event into the room.' The room's rules reject both",
            "* PUT */state/m.room.member/* 40? *",
            "* PUT */state/m.room.create [45]0? *",
        )
    ]
    compare(state, servers, deliberate)


def searching(stage: Stage) -> None:
    alice, mallory = stage.register("alice"), stage.register("mallory")
    room_id = alice.create_room(room_version="11")
    alice.send(room_id, "a herring and a trout")
    alice.send(room_id, "nothing of the kind")
    for_fish = {"search_categories": {"room_events": {"search_term": "herring", "order_by": "recent"}}}
    alice.post("/search", for_fish)
    mallory.post("/search", for_fish)
    alice.post("/search", {})
    alice.post("/search", {"search_categories": {"room_events": {}}})
    alice.post("/user_directory/search", {})


def test_searching(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate("rank: 'A number that describes how closely this result matches the search.'", "*.rank"),
        Deliberate(
            "M_MISSING_PARAM: 'A required parameter was missing from the request.'",
            "* POST */search 400 .errcode",
        ),
    ]
    compare(searching, servers, deliberate)
