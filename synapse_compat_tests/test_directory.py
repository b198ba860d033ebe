"""Names of rooms, and the list of those that everyone may find."""

from collections.abc import Mapping

from synapse_compat_tests.compare import Deliberate, Stage, compare


def names(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    name = alice.user_id.partition(":")[0][1:]
    room_id = alice.create_room(
        room_version="11",
        preset="public_chat",
        room_alias_name=f"of-{name}",
        name=f"The room of {name}",
        topic="Fish",
    )
    alias, other = f"#of-{name}:localhost", f"#also-{name}:localhost"
    bob.get(f"/directory/room/{alias}")
    bob.get("/directory/room/nonsense")
    bob.get("/directory/room/#none:localhost")
    alice.put(f"/directory/room/{alias}", {"room_id": room_id})
    bob.put(f"/directory/room/{other}", {"room_id": room_id})
    bob.delete(f"/directory/room/{alias}")
    alice.put(f"/directory/room/{other}", {"room_id": room_id})
    alice.put(f"/directory/room/#third-{name}:localhost", {})
    alice.get(f"/rooms/{room_id}/aliases")
    bob.get(f"/rooms/{room_id}/aliases")
    alice.put(f"/rooms/{room_id}/state/m.room.canonical_alias", {"alias": alias, "alt_aliases": [other]})
    alice.put(f"/rooms/{room_id}/state/m.room.canonical_alias", {"alias": "#none:localhost"})
    alice.put(f"/rooms/{room_id}/state/m.room.canonical_alias", {"alias": "nonsense"})
    alice.delete(f"/directory/room/{other}")
    alice.delete(f"/directory/room/{other}")
    alice.state(room_id, "m.room.canonical_alias")
    bob.post(f"/join/{alias}")


def test_names(servers: Mapping[str, str]) -> None:
    compare(names, servers)


def the_list(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    name = alice.user_id.partition(":")[0][1:]
    room_id = alice.create_room(room_version="11", preset="public_chat", name=f"The room of {name}")
    listed = f"/directory/list/room/{room_id}"
    alice.get(listed)
    alice.put(listed, {"visibility": "public"})
    bob.put(listed, {"visibility": "private"})
    bob.get(listed)
    bob.get("/directory/list/room/!none:localhost")
    bob.post("/publicRooms", {"filter": {"generic_search_term": name}})
    bob.get("/publicRooms", server="localhost", limit=0)
    bob.post("/publicRooms", {"filter": {"generic_search_term": "nothing has this name"}})
    bob.post("/publicRooms", {"filter": {"generic_search_term": name, "room_types": ["m.space"]}})
    alice.put(listed, {"visibility": "private"})
    bob.post("/publicRooms", {"filter": {"generic_search_term": name}})


def test_the_list(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            "total_room_count_estimate: 'An estimate on the total number of public rooms', whatever is looked for",
            "*.total_room_count_estimate",
        )
    ]
    compare(the_list, servers, deliberate)
