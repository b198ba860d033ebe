"""The servers find each other, and believe what the other one signs."""

from urllib.parse import quote

from synapse_compat_tests.federation.servers import Federated, Pair


def both_ways(pair: Pair) -> list[tuple[Federated, Federated]]:
    return [(pair.folkmoot, pair.synapse), (pair.synapse, pair.folkmoot)]


def test_version(pair: Pair) -> None:
    path = "/_matrix/federation/v1/version"
    assert pair.folkmoot.as_server(path)["server"]["name"] == "Folkmoot"
    assert pair.synapse.as_server(path)["server"]["name"] == "Synapse"


def test_keys(pair: Pair) -> None:
    """As they are published there, and as they are told here."""
    (keys,) = pair.folkmoot.as_server(f"/_matrix/key/v2/query/{pair.synapse.name}")["server_keys"]
    assert keys["server_name"] == pair.synapse.name
    assert set(keys["signatures"]) == {pair.synapse.name, pair.folkmoot.name}
    assert keys["verify_keys"] == pair.synapse.as_server("/_matrix/key/v2/server")["verify_keys"]


def test_each_shows_profiles_of_the_other(pair: Pair) -> None:
    for here, there in both_ways(pair):
        alice, bob = here.register("alice"), there.register("bob")
        assert alice.get(f"/profile/{bob.user_id}")["displayname"] == bob.user_id.split(":")[0][1:]
        assert alice.get(f"/profile/@nobody:{there.name}").error == (404, "M_NOT_FOUND")


def test_aliases_of_rooms_here(pair: Pair) -> None:
    alice, bob = pair.folkmoot.register("alice"), pair.synapse.register("bob")
    name = alice.user_id.split(":")[0][1:]
    room_id = alice.create_room(room_alias_name=name)
    found = bob.get(f"/directory/room/{quote(f'#{name}:{pair.folkmoot.name}')}")
    assert (found["room_id"], found["servers"]) == (room_id, [pair.folkmoot.name])
