"""What people see of each other, and of what was said, once all is quiet."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

from tests.client import Json
from tests.simulation.story import Person, Said, Story


def differences(story: Story) -> Iterator[str]:
    """What is wrong, in words; nothing if all is well."""
    yield from _relations_differ(story)
    yield from _names_differ(story)
    yield from _news_does_not_arrive(story)


def _refused_somewhere(story: Story) -> set[str]:
    found = set()
    for server in story.world.servers.values():
        with closing(server.engine.connect()) as connection, connection.reading() as txn:
            found |= {
                event_id
                for (event_id,) in txn.rows(
                    "SELECT e.event_id FROM room_event e JOIN room_refused_event f ON f.event = e.nid"
                )
            }
    return found


def _relations_differ(story: Story) -> Iterator[str]:
    """In the first room, where all anchors were all the time."""
    room = story.rooms[0]
    refused = _refused_somewhere(story)
    for said in {one.event_id: one for one in story.said if one.room_id == room}.values():
        if said.event_id not in refused:
            told = [_related(anchor, said) - refused for anchor in story.anchors]
            edits = [_bundled(anchor, said) for anchor in story.anchors]
            if any(one != told[0] for one in told):
                yield f"what relates to {said.event_id} is {told}"
            # Of an edit that some refused they know another one.
            if any(one != edits[0] for one in edits) and not any(str(e) in str(edits) for e in refused):
                yield f"with {said.event_id} come {edits}"


def _related(person: Person, said: Said) -> set[str]:
    path = f"/_matrix/client/v1/rooms/{quote(said.room_id)}/relations/{quote(said.event_id)}"
    return {event["event_id"] for event in person.get(path, limit=100)["chunk"]}


def _bundled(person: Person, said: Said) -> Json:
    event = person.get(f"/rooms/{quote(said.room_id)}/event/{quote(said.event_id)}").json
    relations: dict[str, Any] = event.get("unsigned", {}).get("m.relations", {})
    # Which event of a thread is the latest may differ, as they need not come in the same order everywhere.
    count = relations.get("m.thread", {}).get("count")
    return event["content"], relations.get("m.replace", {}).get("event_id"), count


def _names_differ(story: Story) -> Iterator[str]:
    room = story.rooms[0]
    if story.anchors[0].state(room, "m.room.create")["room_version"] == "6":
        # It does not know some of the join rules, under which nobody can have another name in the room.
        return
    for owner in story.anchors:
        own = owner.get(f"/profile/{owner.user_id}")["displayname"]
        for viewer in story.anchors:
            told = viewer.get(f"/profile/{owner.user_id}").json.get("displayname")
            member = viewer.state(room, "m.room.member", owner.user_id).json.get("displayname")
            if told != own or member != own:
                yield f"{owner.user_id} is {own}, for {viewer.server} {told}, as a member {member}"


def _news_does_not_arrive(story: Story) -> Iterator[str]:
    room = story.rooms[0]
    people = story.anchors
    since = {one.user_id: one.get("/sync", timeout=0)["next_batch"] for one in people}
    last = people[0].send(room, "read me")
    story.world.run(10)
    for one in people:
        assert (
            one.put(f"/rooms/{quote(room)}/typing/{one.user_id}", {"typing": True, "timeout": 25_000}).status
            == 200
        )
        assert one.post(f"/rooms/{quote(room)}/receipt/m.read/{quote(last)}").status == 200
        status = {"presence": "online", "status_msg": f"here is {one.user_id}"}
        assert one.put(f"/presence/{one.user_id}/status", status).status == 200
    story.world.run(12)
    everybody = {one.user_id for one in people}
    for viewer in people:
        answer = viewer.get("/sync", timeout=0, since=since[viewer.user_id])
        since[viewer.user_id] = answer["next_batch"]
        if missing := everybody - _typing(answer.json, room):
            yield f"{viewer.user_id} does not see {missing} type"
        if missing := everybody - _readers(answer.json, room, last):
            yield f"{viewer.user_id} does not see that {missing} read"
        for one in people:
            told = viewer.get(f"/presence/{one.user_id}/status").json.get("status_msg")
            if told != f"here is {one.user_id}":
                yield f"{viewer.user_id} has {told} as the status of {one.user_id}"
    story.world.run(60)
    for viewer in people:
        answer = viewer.get("/sync", timeout=0, since=since[viewer.user_id])
        if _typing(answer.json, room):
            yield f"{viewer.user_id} sees {_typing(answer.json, room)} type for ever"


def _ephemeral(answer: Json, room: str) -> list[Json]:
    here = answer.get("rooms", {}).get("join", {}).get(room, {})
    events: list[Json] = here.get("ephemeral", {}).get("events", [])
    return events


def _typing(answer: Json, room: str) -> set[str]:
    given = [
        event["content"]["user_ids"] for event in _ephemeral(answer, room) if event["type"] == "m.typing"
    ]
    return {user for users in given for user in users}


def _readers(answer: Json, room: str, event_id: str) -> set[str]:
    given = [event["content"] for event in _ephemeral(answer, room) if event["type"] == "m.receipt"]
    return {user for content in given for user in content.get(event_id, {}).get("m.read", {})}
