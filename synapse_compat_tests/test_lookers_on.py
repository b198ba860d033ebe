"""Guests, strangers who look into rooms, and the ways to look from before /sync."""

from collections.abc import Mapping

from synapse_compat_tests.client import HttpClient
from synapse_compat_tests.compare import Deliberate, Stage, compare
from tests.client import Json

CODES = "'Errors are generally best expressed by their error code rather than the HTTP status code returned.'"


def _state(type_: str, **content: Json) -> Json:
    return {"type": type_, "state_key": "", "content": content}


OPEN = [_state("m.room.history_visibility", history_visibility="world_readable")]
GUESTS = _state("m.room.guest_access", guest_access="can_join")


def the_old_way(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(
        room_version="11", preset="public_chat", name="The Moot", initial_state=[*OPEN, GUESTS]
    )
    event_id = alice.send(room_id, "hello")
    alice.get(f"/events/{event_id}")
    bob.get(f"/events/{event_id}")
    alice.get("/events/$nonsense")
    bob.get("/initialSync", limit=0)
    bob.get(f"/rooms/{room_id}/initialSync", limit=1)
    bob.get("/rooms/!none:localhost/initialSync")
    start = bob.get("/events", room_id=room_id, timeout=0)["end"]
    alice.send(room_id, "is anybody looking?")
    bob.get("/events", room_id=room_id, timeout=0, **{"from": start})
    bob.get("/events", room_id="!none:localhost", timeout=0)
    closed = alice.create_room(room_version="11")
    bob.get("/events", room_id=closed, timeout=0)
    bob.get(f"/rooms/{closed}/initialSync")


def test_the_old_way(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate("404: 'The event was not found or you do not have permission to read this event.'", "5 *"),
        Deliberate(
            "account_data: 'The global private data created by this user.'",
            "* GET */initialSync[?]* .account_data.*",
        ),
        Deliberate("The specification has no such key", "* GET */rooms/*/initialSync[?]* .presence.*"),
        Deliberate(
            "visibility: 'Whether this room is visible to the `/publicRooms` API or not.'",
            "* GET */rooms/*/initialSync[?]* .visibility",
        ),
    ]
    compare(the_old_way, servers, deliberate)


def guests(stage: Stage) -> None:
    alice = stage.register("alice")
    answer = stage.anonymous.request("POST", "/register", {}, query={"kind": "guest"})
    guest = stage.recorded(
        HttpClient(stage.url, answer["user_id"], answer["access_token"], answer["device_id"])
    )
    for allowed in ("can_join", "forbidden"):
        rules = _state("m.room.guest_access", guest_access=allowed)
        room_id = alice.create_room(room_version="11", preset="public_chat", initial_state=[*OPEN, rules])
        guest.get(f"/rooms/{room_id}/state/m.room.join_rules")
        guest.get(f"/rooms/{room_id}/messages", dir="b", limit=1)
        guest.join(room_id)
        guest.put(f"/rooms/{room_id}/send/m.room.message/{allowed}", {"msgtype": "m.text", "body": "hi"})
        guest.put(f"/rooms/{room_id}/state/m.room.topic", {"topic": "of a guest"})
        guest.leave(room_id)
    guest.get("/account/whoami")
    guest.post("/createRoom")
    guest.get("/devices")
    guest.put(f"/profile/{guest.user_id}/displayname", {"displayname": "A guest"})
    guest.get(f"/profile/{guest.user_id}")
    guest.post("/publicRooms", {"filter": {"generic_search_term": "nothing has this name"}})
    guest.post("/user_directory/search", {"search_term": "alice"})
    guest.get("/pushrules/global/override/.m.rule.master")
    guest.put(f"/user/{guest.user_id}/account_data/org.example.x", {"a": 1})
    guest.invite(room_id, alice)
    guest.post("/keys/query", {"device_keys": {alice.user_id: []}})
    guest.get("/thirdparty/protocols")
    guest.post("/account/password", {"new_password": "x"})


def test_guests(open_servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            "M_GUEST_ACCESS_FORBIDDEN: 'The room or resource does not permit guests to access it.'",
            "* POST */join 403 .errcode",
            "* POST */invite 403 .errcode",
        ),
        Deliberate(
            "The specification does not list it among what guests may do",
            "* GET */thirdparty/protocols [24]0? *",
        ),
        Deliberate("The specification has no such key", "*/devices 200 .devices.0.user_id"),
        Deliberate(
            "display_name: 'Absent if no name has been set.'", "*/devices 200 .devices.0.display_name"
        ),
    ]
    compare(guests, open_servers, deliberate)
