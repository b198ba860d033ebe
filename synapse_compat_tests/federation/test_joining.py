"""Users of ours in rooms of Synapse, in rooms of every version that is in use."""

from collections.abc import Callable
from typing import Any

import pytest

from synapse_compat_tests.client import HttpClient
from synapse_compat_tests.federation.eventually import eventually
from synapse_compat_tests.federation.servers import Pair

VERSIONS = ("6", "9", "10", "11", "12")


def soon(is_so: Callable[[], bool]) -> None:
    """What servers tell each other takes a moment."""
    eventually(is_so, bool)


def membership(client: HttpClient, room_id: str, user: HttpClient) -> str | None:
    answer = client.state(room_id, "m.room.member", user.user_id)
    return answer.json.get("membership") if answer.status == 200 else None


def bodies(client: HttpClient, room_id: str) -> list[str]:
    chunk = client.messages(room_id, limit=50)["chunk"]
    return [one["content"]["body"] for one in chunk[::-1] if one["type"] == "m.room.message"]


def join(pair: Pair, client: HttpClient, room_id: str) -> Any:
    return client.request("POST", f"/join/{room_id}", {}, query={"via": pair.synapse.name})


def rooms(client: HttpClient, section: str) -> Any:
    return client.sync().json.get("rooms", {}).get(section, {})


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sarah(pair: Pair) -> HttpClient:
    """Of Synapse."""
    return pair.synapse.register("sarah")


@pytest.fixture
def frank(pair: Pair) -> HttpClient:
    """Of ours."""
    return pair.folkmoot.register("frank")


def test_join_and_leave(pair: Pair, version: str, sarah: HttpClient, frank: HttpClient) -> None:
    room_id = sarah.create_room(preset="public_chat", room_version=version, name="Synapse's")
    sarah.send(room_id, "before")
    assert join(pair, frank, room_id).json == {"room_id": room_id}
    soon(lambda: membership(sarah, room_id, frank) == "join")
    assert frank.state(room_id, "m.room.name")["name"] == "Synapse's"
    frank.send(room_id, "from ours")
    soon(lambda: "from ours" in bodies(sarah, room_id))
    sarah.send(room_id, "from Synapse")
    soon(lambda: bodies(frank, room_id)[-2:] == ["from ours", "from Synapse"])
    frank.leave(room_id)
    soon(lambda: membership(sarah, room_id, frank) == "leave")
    sarah.set_state(room_id, "m.room.name", {"name": "Renamed"})
    assert join(pair, frank, room_id).status == 200
    assert frank.state(room_id, "m.room.name")["name"] == "Renamed"


def test_invited_and_refused(pair: Pair, version: str, sarah: HttpClient, frank: HttpClient) -> None:
    room_id = sarah.create_room(preset="private_chat", room_version=version, name="Closed")
    assert join(pair, frank, room_id).error == (403, "M_FORBIDDEN")
    assert sarah.invite(room_id, frank).status == 200
    soon(lambda: room_id in rooms(frank, "invite"))
    assert frank.leave(room_id).status == 200
    soon(lambda: membership(sarah, room_id, frank) == "leave")
    assert sarah.invite(room_id, frank).status == 200
    assert frank.join(room_id).status == 200
    soon(lambda: membership(sarah, room_id, frank) == "join")
    assert room_id not in rooms(frank, "invite")


def test_ours_invites(pair: Pair, version: str, sarah: HttpClient, frank: HttpClient) -> None:
    room_id = frank.create_room(preset="private_chat", room_version=version, name="Ours")
    assert frank.invite(room_id, sarah).status == 200
    soon(lambda: room_id in rooms(sarah, "invite"))
    assert sarah.join(room_id).status == 200
    soon(lambda: membership(frank, room_id, sarah) == "join")
    frank.kick(room_id, sarah)
    soon(lambda: room_id not in sarah.get("/joined_rooms")["joined_rooms"])
    frank.ban(room_id, sarah)
    sarah.request("POST", f"/join/{room_id}", {}, query={"via": pair.folkmoot.name})
    assert room_id not in sarah.get("/joined_rooms")["joined_rooms"]
    assert membership(frank, room_id, sarah) == "ban"


def test_knock(pair: Pair, version: str, sarah: HttpClient, frank: HttpClient) -> None:
    if version == "6":
        pytest.skip("rooms of version 6 cannot be knocked on")
    rules = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
    room_id = sarah.create_room(preset="private_chat", room_version=version, initial_state=[rules])
    path = f"/knock/{room_id}"
    assert frank.request("POST", path, {}, query={"via": pair.synapse.name}).status == 200
    assert room_id in rooms(frank, "knock")
    assert membership(sarah, room_id, frank) == "knock"
    assert sarah.invite(room_id, frank).status == 200
    assert frank.join(room_id).status == 200
    soon(lambda: membership(sarah, room_id, frank) == "join")


def test_restricted_join(pair: Pair, version: str, sarah: HttpClient, frank: HttpClient) -> None:
    if version == "6":
        pytest.skip("joins to rooms of version 6 cannot be restricted")
    space_id = sarah.create_room(preset="public_chat", creation_content={"type": "m.space"})
    allow = [{"type": "m.room_membership", "room_id": space_id}]
    rules = {"type": "m.room.join_rules", "content": {"join_rule": "restricted", "allow": allow}}
    room_id = sarah.create_room(preset="private_chat", room_version=version, initial_state=[rules])
    assert join(pair, frank, room_id).error == (403, "M_FORBIDDEN")
    assert join(pair, frank, space_id).status == 200
    soon(lambda: membership(sarah, space_id, frank) == "join")
    assert join(pair, frank, room_id).status == 200
    member = frank.state(room_id, "m.room.member", frank.user_id).json
    assert member["join_authorised_via_users_server"] == sarah.user_id


def test_refused_when_the_inviter_is_gone(pair: Pair, sarah: HttpClient, frank: HttpClient) -> None:
    """As good as gone: the room was emptied, and nobody there can take a refusal in."""
    room_id = sarah.create_room(preset="private_chat", invite=[frank.user_id])
    soon(lambda: room_id in rooms(frank, "invite"))
    sarah.leave(room_id)
    assert frank.leave(room_id).status == 200
    assert room_id not in rooms(frank, "invite")


def test_by_alias(pair: Pair, sarah: HttpClient, frank: HttpClient) -> None:
    name = sarah.user_id.split(":")[0][1:]
    room_id = sarah.create_room(preset="public_chat", room_alias_name=name)
    answer = frank.post(f"/join/%23{name}:{pair.synapse.name}")
    assert answer.json == {"room_id": room_id}
