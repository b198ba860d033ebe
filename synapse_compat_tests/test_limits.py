"""Who asks too often."""

from collections.abc import Mapping

from synapse_compat_tests.client import PASSWORD
from synapse_compat_tests.compare import Deliberate, Stage, compare
from tests.client import Answer

WAIT = Deliberate(
    "retry_after_ms: 'The amount of time in milliseconds the client should wait'", "*.retry_after_ms"
)


def _observe(stage: Stage, answer: Answer) -> None:
    """Whether it is said when to come again; how long that is may differ by what the machine did meanwhile."""
    wait = answer.json.get("retry_after_ms", 0) if answer.status == 429 else 0
    stage.observed("retry", [answer.status, 0 < wait <= 200_000, "retry-after" in answer.headers])


def too_often(stage: Stage) -> None:
    alice, bob, carol, dan = (stage.register(name) for name in ("alice", "bob", "carol", "dan"))
    rooms = [alice.create_room(room_version="11", preset="public_chat") for _ in range(2)]
    _observe(stage, alice.post("/createRoom"))
    for room_id in rooms:
        bob.join(room_id)
    third = dan.create_room(room_version="11", preset="public_chat")
    _observe(stage, bob.join(third))
    carol.join(rooms[0])
    for number in range(3):
        path = f"/rooms/{rooms[0]}/send/m.room.message/{number}"
        _observe(stage, carol.put(path, {"msgtype": "m.text", "body": "hello"}))
    identifier = {"type": "m.id.user", "user": dan.user_id}
    for password in ("wrong", "wrong", "wrong", PASSWORD):
        login = {"type": "m.login.password", "identifier": identifier, "password": password}
        _observe(stage, stage.anonymous.post("/login", login))


def newcomers(stage: Stage) -> None:
    """Nothing else is limited."""
    alice, *others = (stage.register(name) for name in ("alice", "bob", "carol", "dan"))
    room_id = alice.create_room(room_version="11")
    for other in others:
        _observe(stage, alice.invite(room_id, other))
    for number in range(3):
        body = {
            "username": f"new{stage.number}n{number}",
            "password": PASSWORD,
            "auth": {"type": "m.login.dummy"},
        }
        _observe(stage, stage.anonymous.post("/register", body))


def test_newcomers(servers_for_few: Mapping[str, str]) -> None:
    compare(newcomers, servers_for_few, [WAIT])


def test_too_often(limited_servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate("rc_message: a join is none, and has its own limit", "1[34] *"),
        WAIT,
    ]
    compare(too_often, limited_servers, deliberate)
