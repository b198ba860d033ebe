"""What relates to an event: threads, edits, annotations."""

from collections.abc import Mapping

from synapse_compat_tests.client import HttpClient
from synapse_compat_tests.compare import Deliberate, Stage, compare
from tests.client import Json


def relating(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(room_version="11", members=[bob])
    numbers = iter(range(100))

    def say(who: HttpClient, content: Json, type_: str = "m.room.message") -> str:
        sent = who.put(f"/rooms/{room_id}/send/{type_}/{next(numbers)}", content)
        return str(sent.json.get("event_id"))

    def text(body: str, **relation: str) -> Json:
        return {"msgtype": "m.text", "body": body} | ({"m.relates_to": relation} if relation else {})

    root = say(alice, text("root"))
    reply = say(bob, text("in the thread", rel_type="m.thread", event_id=root))
    say(alice, text("me too", rel_type="m.thread", event_id=root))
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": root, "key": "x"}}
    say(alice, reaction, "m.reaction")
    say(alice, reaction, "m.reaction")
    edit = text("* edited", rel_type="m.replace", event_id=root)
    say(alice, {**edit, "m.new_content": text("edited")})
    say(bob, text("a thread in a thread", rel_type="m.thread", event_id=reply))
    relations = f"/_matrix/client/v1/rooms/{room_id}/relations/{root}"
    bob.event(room_id, root)
    bob.get(relations)
    bob.get(f"{relations}/m.thread")
    bob.get(f"{relations}/m.annotation/m.reaction")
    bob.get(relations, limit=1, dir="f")
    bob.get(f"/_matrix/client/v1/rooms/{room_id}/threads")
    bob.get(f"/rooms/{room_id}/context/{reply}", limit=2, filter={"types": ["m.room.message"]})
    bob.get(f"/rooms/{room_id}/context/$nonsense")
    bob.get(f"/_matrix/client/v1/rooms/{room_id}/timestamp_to_event", ts=1, dir="b")
    term = {"search_term": "thread", "keys": ["content.body"], "order_by": "recent"}
    bob.post("/search", {"search_categories": {"room_events": term}})


def test_relating(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            "membership: 'The room membership of the user making the request, at the time of the event.' Bundled"
            " events have it, too",
            "*.unsigned.m.relations.m.replace.unsigned.membership",
            "*.unsigned.m.relations.m.thread.latest_event.unsigned.membership",
        ),
        Deliberate("rank: 'A number that describes how closely this result matches the search.'", "*.rank"),
    ]
    compare(relating, servers, deliberate)
