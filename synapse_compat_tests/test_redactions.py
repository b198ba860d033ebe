"""Redactions, and what follows from them: edits, reactions, threads, searches, and all that somebody sent."""

from collections.abc import Iterator, Mapping

import pytest

from synapse_compat_tests.client import HttpClient
from synapse_compat_tests.compare import Deliberate, Stage, compare
from synapse_compat_tests.conftest import both
from tests.client import Json

_EXPERIMENTAL = {
    "experimental_features": {"msc3912_enabled": True, "msc4293_enabled": True, "msc4169_enabled": True}
}
CODES = "'Errors are generally best expressed by their error code rather than the HTTP status code returned.'"
REDACTED_BY = Deliberate("The specification has no such key", "*.unsigned.redacted_by")
BECAUSE = Deliberate(
    "unsigned: 'Contains optional extra information about the event.'",
    "*.unsigned.redacted_because.unsigned.*",
)
OF_LATEST = Deliberate(
    "membership: 'The room membership of the user making the request, at the time of the event.' Bundled events have"
    " it, too",
    "*.unsigned.m.relations.m.thread.latest_event.unsigned.membership",
)
OWN = Deliberate(
    "transaction_id: 'The client-supplied transaction ID, if the client being given the event is the same one which"
    " sent it', wherever it is given",
    "*/threads* 200 *.latest_event.unsigned.transaction_id",
)


@pytest.fixture(scope="module")
def experimental_servers() -> Iterator[Mapping[str, str]]:
    """Servers that redact in the ways that are only proposed as well."""
    with both(_EXPERIMENTAL) as urls:
        yield urls


def _text(body: str, **relation: str) -> Json:
    return {"msgtype": "m.text", "body": body} | ({"m.relates_to": relation} if relation else {})


class _Talk:
    """What is said in one room."""

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self._said = 0

    def say(self, who: HttpClient, content: Json, type_: str = "m.room.message") -> str:
        self._said += 1
        path = f"/rooms/{self.room_id}/send/{type_}/{self._said}"
        return str(who.put(path, content)["event_id"])

    def react(self, who: HttpClient, event_id: str, key: str) -> str:
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return self.say(who, {"m.relates_to": relation}, "m.reaction")


def related(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    talk = _Talk(alice.create_room(room_version="11", members=[bob]))
    root = talk.say(alice, _text("root"))
    edit = _text("* edited", rel_type="m.replace", event_id=root)
    edit_id = talk.say(alice, {**edit, "m.new_content": _text("edited")})
    reaction = talk.react(bob, root, "x")
    first = talk.say(bob, _text("one", rel_type="m.thread", event_id=root))
    second = talk.say(alice, _text("two", rel_type="m.thread", event_id=root))
    relations = f"/_matrix/client/v1/rooms/{talk.room_id}/relations/{root}"
    for redacted in (reaction, edit_id, second, first):
        alice.redact(talk.room_id, redacted)
        bob.event(talk.room_id, root)
        bob.get(relations)
    bob.get(f"/_matrix/client/v1/rooms/{talk.room_id}/threads")
    bob.event(talk.room_id, second)
    talk.react(bob, root, "x")
    talk.say(bob, _text("three", rel_type="m.thread", event_id=root))
    alice.redact(talk.room_id, root, reason="all of it")
    bob.event(talk.room_id, root)
    bob.get(relations)
    bob.get(f"/_matrix/client/v1/rooms/{talk.room_id}/threads")


def test_related(servers: Mapping[str, str]) -> None:
    of_edits = Deliberate(OF_LATEST.because, "*.unsigned.m.relations.m.replace.unsigned.membership")
    compare(related, servers, [REDACTED_BY, BECAUSE, OF_LATEST, OWN, of_edits])


def threads(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    talk = _Talk(alice.create_room(room_version="11", members=[bob]))
    roots = [talk.say(alice, _text(f"root {number}")) for number in range(3)]
    for root in roots:
        talk.say(alice, _text("reply", rel_type="m.thread", event_id=root))
    talk.say(bob, _text("bob's", rel_type="m.thread", event_id=roots[0]))
    path = f"/_matrix/client/v1/rooms/{talk.room_id}/threads"
    bob.get(path, include="participated")
    bob.get(path, include="all")
    bob.get(path, include="nonsense")
    page = bob.get(path, limit=1)
    bob.get(path, limit=1, **{"from": page["next_batch"]})
    bob.get(path, **{"from": "nonsense"})
    bob.get(path, limit=0)
    bob.get(path, limit="many")
    bob.get("/_matrix/client/v1/rooms/!none:localhost/threads")


def test_threads(servers: Mapping[str, str]) -> None:
    deliberate = [
        OF_LATEST,
        OWN,
        Deliberate(CODES, "* GET */threads[?]from=nonsense 400 .errcode"),
        Deliberate(
            "limit: 'The maximum number of thread roots to return', which is one at least",
            "* GET */threads[?]limit=0 *",
        ),
    ]
    compare(threads, servers, deliberate)


def refused(stage: Stage) -> None:
    alice, bob, mallory = stage.register("alice"), stage.register("bob"), stage.register("mallory")
    room_id = alice.create_room(room_version="11", members=[bob])
    event_id = alice.send(room_id, "law")
    other_room = bob.create_room(room_version="11")
    elsewhere = bob.send(other_room, "elsewhere")
    bob.redact(room_id, event_id)
    mallory.redact(room_id, event_id)
    alice.redact(room_id, "$nonsense")
    redaction = alice.redact(room_id, event_id)["event_id"]
    alice.redact(room_id, event_id)
    alice.redact(room_id, redaction)
    alice.event(room_id, redaction)
    alice.event(room_id, event_id)
    alice.put(f"/rooms/{room_id}/send/m.room.redaction/1", {"redacts": event_id})
    alice.put(f"/rooms/{room_id}/redact/{event_id}/txn", {"reason": 5})
    alice.redact(room_id, elsewhere)
    bob.event(other_room, elsewhere)


def test_refused(servers: Mapping[str, str]) -> None:
    deliberate = [
        REDACTED_BY,
        BECAUSE,
        Deliberate("reason: a string", "* PUT */redact/<event 1>/txn ?00 *"),
        Deliberate(
            "'The redaction event is accepted' whatever it names, which may come later; it redacts nothing elsewhere",
            "* PUT */redact/<event 2>/* ?00 *",
        ),
    ]
    compare(refused, servers, deliberate)


def removals(stage: Stage) -> None:
    alice, bob, mallory = stage.register("alice"), stage.register("bob"), stage.register("mallory")
    room_id = alice.create_room(room_version="11", preset="public_chat", members=[bob, mallory])
    spam = mallory.send(room_id, "spam")
    kept = bob.send(room_id, "hello")
    redacting = {"org.matrix.msc4293.redact_events": True}
    bob.messages(room_id, limit=20, filter={"types": ["m.room.member"]})
    bob.ban(room_id, mallory, **redacting)
    bob.event(room_id, spam)
    alice.ban(room_id, mallory, reason="flooding", **redacting)
    alice.state(room_id, "m.room.member", mallory.user_id)
    for event_id in (spam, kept):
        bob.event(room_id, event_id)
    bob.messages(room_id, limit=2, filter={"types": ["m.room.message"]})
    alice.unban(room_id, mallory)
    mallory.join(room_id)
    again = mallory.send(room_id, "sorry")
    for event_id in (spam, again):
        bob.event(room_id, event_id)
    bob.messages(room_id, limit=20, filter={"types": ["m.room.member"]})
    alice.kick(room_id, mallory, **redacting)
    bob.event(room_id, again)


def test_removals(experimental_servers: Mapping[str, str]) -> None:
    deliberate = [
        REDACTED_BY,
        BECAUSE,
        Deliberate("end: 'If no further events are available, this property is omitted'", "*/messages* .end"),
    ]
    compare(removals, experimental_servers, deliberate)


def what_relates(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    talk = _Talk(alice.create_room(room_version="11", members=[bob]))
    root = talk.say(alice, _text("root"))
    reaction = talk.react(bob, root, "x")
    reply = talk.say(bob, _text("reply", rel_type="m.thread", event_id=root))
    wish = {"org.matrix.msc3912.with_relations": ["m.annotation"]}
    alice.redact(talk.room_id, root, **wish)
    for event_id in (root, reply):
        bob.event(talk.room_id, event_id)
    # Synapse redacts the rest a little later.
    assert reaction


def test_what_relates(experimental_servers: Mapping[str, str]) -> None:
    compare(what_relates, experimental_servers, [REDACTED_BY, BECAUSE, OF_LATEST])
