"""What was said before one came, while one was away, and at once on both sides; versions 11 and 12."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synapse_compat_tests.client import HttpClient
from synapse_compat_tests.federation.eventually import eventually
from synapse_compat_tests.federation.servers import Federated, Pair, federating

MESSAGES = 60


@pytest.fixture(params=("11", "12"))
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def bodies(client: HttpClient, room_id: str) -> list[str]:
    """All that was said, oldest first, by paging back to the beginning."""
    found: list[str] = []
    start: str | None = None
    while True:
        query: dict[str, Any] = {"dir": "b", "limit": 25} | ({} if start is None else {"from": start})
        page = client.get(f"/rooms/{room_id}/messages", **query)
        found += [
            event["content"].get("body", "") for event in page["chunk"] if event["type"] == "m.room.message"
        ]
        start = page.json.get("end")
        if start is None or not page["chunk"]:
            return found[::-1]


def sees(client: HttpClient, room_id: str, wanted: list[str]) -> None:
    eventually(lambda: bodies(client, room_id), lambda seen: seen == wanted)


def join(client: HttpClient, room_id: str, via: Federated) -> None:
    answer = client.request("POST", f"/join/{room_id}", {}, query={"via": via.name})
    assert answer.status == 200, answer


def roles(pair: Pair, ours_first: bool) -> tuple[Federated, Federated]:
    return (pair.folkmoot, pair.synapse) if ours_first else (pair.synapse, pair.folkmoot)


@pytest.mark.parametrize("is_ours", [True, False], ids=["ours", "synapse"])
def test_before_the_join(pair: Pair, version: str, is_ours: bool) -> None:
    """A room of one of the servers is read back to its beginning on the other."""
    home, away = roles(pair, is_ours)
    owner, guest = home.register("owner"), away.register("guest")
    room_id = owner.create_room(preset="public_chat", room_version=version)
    said = [f"number {number}" for number in range(MESSAGES)]
    sent = [owner.send(room_id, body) for body in said]
    owner.redact(room_id, sent[10])
    said[10] = ""
    join(guest, room_id, home)
    sees(guest, room_id, said)
    edit = {
        "msgtype": "m.text",
        "body": "* edited",
        "m.new_content": {"msgtype": "m.text", "body": "edited"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": sent[20]},
    }
    owner.put(f"/rooms/{room_id}/send/m.room.message/edit", edit)
    eventually(
        lambda: guest.event(room_id, sent[20]).json.get("unsigned", {}).get("m.relations", {}),
        lambda relations: "m.replace" in relations,
    )
    owner.redact(room_id, sent[30])
    eventually(lambda: guest.event(room_id, sent[30])["content"], lambda content: content == {})


def test_state_changed_at_once(pair: Pair, version: str) -> None:
    """Both sides name the room at the same time, again and again, and agree in the end."""
    owner, other = pair.folkmoot.register("owner"), pair.synapse.register("other")
    room_id = owner.create_room(preset="public_chat", room_version=version)
    join(other, room_id, pair.folkmoot)
    levels = owner.state(room_id, "m.room.power_levels").json
    levels["users"] = {**levels.get("users", {}), other.user_id: 50}
    assert owner.set_state(room_id, "m.room.power_levels", levels).status == 200
    eventually(
        lambda: other.state(room_id, "m.room.power_levels").json.get("users", {}).get(other.user_id),
        lambda level: level == 50,
    )
    for number in range(5):
        owner.set_state(room_id, "m.room.name", {"name": f"ours {number}"})
        other.set_state(room_id, "m.room.name", {"name": f"theirs {number}"})
    # Something that follows both branches, so that both servers resolve the same ones.
    for client in (owner, other):
        client.send(room_id, f"done, says {client.user_id}")
    eventually(
        lambda: (
            owner.state(room_id, "m.room.name").json,
            other.state(room_id, "m.room.name").json,
            len(bodies(owner, room_id)),
            len(bodies(other, room_id)),
        ),
        lambda seen: seen[0] == seen[1] and seen[2:] == (2, 2),
    )


@pytest.fixture
def own_pair(tmp_path: Path) -> Iterator[Pair]:
    """Servers that a test may stop."""
    with federating(tmp_path) as pair:
        yield pair


@pytest.mark.parametrize("stopped", ["folkmoot", "synapse"])
def test_away_for_a_while(own_pair: Pair, stopped: str) -> None:
    """What is said while one of the servers is stopped arrives when it is back, once and in order."""
    owner, other = own_pair.folkmoot.register("owner"), own_pair.synapse.register("other")
    room_id = owner.create_room(preset="public_chat", room_version="11")
    join(other, room_id, own_pair.folkmoot)
    said = ["before"]
    owner.send(room_id, "before")
    sees(other, room_id, said)
    away = own_pair.folkmoot if stopped == "folkmoot" else own_pair.synapse
    speaker, listener = (other, owner) if stopped == "folkmoot" else (owner, other)
    away.process.stop()
    for number in range(30):
        speaker.send(room_id, f"while away {number}")
        said.append(f"while away {number}")
    away.process.start()
    # Whoever comes back and speaks is heard, and hears.
    listener.send(room_id, "back")
    eventually(
        lambda: (sorted(bodies(listener, room_id)), sorted(bodies(speaker, room_id))),
        lambda seen: seen[0] == seen[1] == sorted([*said, "back"]),
    )
