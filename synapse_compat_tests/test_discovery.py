"""What a server says of itself, of spaces, and to those who only look."""

from collections.abc import Mapping

from synapse_compat_tests.compare import Deliberate, Stage, compare


def the_server(stage: Stage) -> None:
    alice = stage.register("alice")
    stage.anonymous.get("/capabilities")
    alice.get("/capabilities")
    stage.anonymous.get("/voip/turnServer")
    alice.get("/voip/turnServer")
    stage.anonymous.get("/_matrix/client/v1/auth_metadata")
    alice.get("/thirdparty/protocol/nonsense")
    for kind in ("location", "user"):
        alice.get(f"/thirdparty/{kind}/nonsense", field="value")
    alice.get("/thirdparty/location", alias="#none:localhost")
    alice.get("/thirdparty/user", userid="@nobody:localhost")
    alice.get("/notifications")
    alice.get("/pushers")
    alice.post(f"/user/{alice.user_id}/openid/request_token", {})
    alice.post("/user/@other:localhost/openid/request_token", {})


def test_the_server(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            "capabilities: 'The custom capabilities the server supports', of which each has its own",
            "* GET */capabilities 200 .capabilities.org.*",
            "* GET */capabilities 200 .capabilities.m.room_versions.available.org.*",
            "* GET */capabilities 200 .capabilities.m.forget_forced_upon_leave.enabled",
        ),
        Deliberate(
            "username, password, uris, ttl: 'Required'. Where nothing is configured, nothing can be told",
            "* GET */voip/turnServer [24]0? *",
        ),
        Deliberate(
            "404: 'The protocol is unknown', which has a code", "* GET */protocol/nonsense 404 .errcode"
        ),
        Deliberate(
            "404: 'The Matrix User ID was not found', 'No portal rooms were found'",
            "* GET */thirdparty/location* [24]0? *",
            "* GET */thirdparty/user* [24]0? *",
        ),
        Deliberate(
            "next_token: 'If this is absent, there are no more results.'",
            "* GET */notifications 200 *",
        ),
    ]
    compare(the_server, servers, deliberate)


def whereabouts(stage: Stage) -> None:
    stage.anonymous.get("/.well-known/matrix/client")


def test_whereabouts(servers: Mapping[str, str]) -> None:
    own = "base_url: 'The base URL for the homeserver', of which each has its own"
    compare(whereabouts, servers, [Deliberate(own, "*.base_url")])


def spaces(stage: Stage) -> None:
    alice, mallory = stage.register("alice"), stage.register("mallory")
    space = alice.create_room(room_version="11", creation_content={"type": "m.space"}, name="All")
    for number in range(3):
        child = alice.create_room(room_version="11", preset="public_chat", name=f"Room {number}")
        edge = {"via": ["localhost"], "order": str(number), "suggested": number == 1}
        alice.put(f"/rooms/{space}/state/m.space.child/{child}", edge)
    path = f"/_matrix/client/v1/rooms/{space}/hierarchy"
    first = alice.get(path, limit=2)
    alice.get(path, limit=2, **{"from": first["next_batch"]})
    alice.get(path, suggested_only="true")
    alice.get(path, max_depth=0)
    alice.get(path, **{"from": "nonsense"})
    mallory.get(path)
    mallory.get("/_matrix/client/v1/room_summary/!none:localhost")
    mallory.get(f"/_matrix/client/v1/room_summary/{space}")


def test_spaces(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            "404: 'The room could not be found.'",
            "* GET */room_summary/!none:localhost 40? *",
        )
    ]
    compare(spaces, servers, deliberate)


def upgrades(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(room_version="10", preset="public_chat", name="The Moot", members=[bob])
    alice.put(f"/user/{alice.user_id}/rooms/{room_id}/tags/m.favourite", {"order": 0.5})
    bob.post(f"/rooms/{room_id}/upgrade", {"new_version": "11"})
    alice.post(f"/rooms/{room_id}/upgrade", {"new_version": "nonsense"})
    alice.post(f"/rooms/{room_id}/upgrade", {})
    newer = alice.post(f"/rooms/{room_id}/upgrade", {"new_version": "11"})["replacement_room"]
    alice.state(room_id, "m.room.tombstone")
    alice.state(newer, "m.room.create")
    alice.state(newer, "m.room.name")
    alice.state(newer, "m.room.join_rules")
    alice.get(f"/user/{alice.user_id}/rooms/{newer}/tags")
    bob.join(newer)


def test_upgrades(servers: Mapping[str, str]) -> None:
    compare(upgrades, servers)


def lookers_on(stage: Stage) -> None:
    alice, mallory = stage.register("alice"), stage.register("mallory")
    visible = {
        "type": "m.room.history_visibility",
        "state_key": "",
        "content": {"history_visibility": "world_readable"},
    }
    open_room = alice.create_room(room_version="11", preset="public_chat", initial_state=[visible])
    closed = alice.create_room(room_version="11")
    for room_id in (open_room, closed):
        event_id = alice.send(room_id, "hello")
        mallory.event(room_id, event_id)
        mallory.get(f"/rooms/{room_id}/messages", dir="b", limit=1)
        mallory.get(f"/rooms/{room_id}/context/{event_id}", limit=0, filter='{"types": ["m.room.message"]}')
        mallory.get(f"/rooms/{room_id}/joined_members")
        mallory.state(room_id, "m.room.join_rules")


def test_lookers_on(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            "'The current user must be in the room for it to work'",
            "* GET */joined_members [24]0? *",
        )
    ]
    compare(lookers_on, servers, deliberate)
