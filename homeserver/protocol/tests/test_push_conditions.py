from typing import Any

import pytest

from homeserver.protocol.json import MAX_INTEGER, JsonObject
from homeserver.protocol.push_conditions import OWN_USER_ID, PushedEvent, Recipient, compile_condition

_ALICE = Recipient("@alice:test", "Alice [on leave]")


def _event(members: int = 3, may_notify: bool = False, **fields: Any) -> PushedEvent:
    json = {"type": "m.room.message", "sender": "@bob:test", "room_id": "!room", "content": {}, **fields}
    return PushedEvent(json, lambda: members, lambda key: may_notify and key == "room")


def _holds(condition: JsonObject, event: PushedEvent, recipient: Recipient | None = _ALICE) -> bool:
    return compile_condition(condition)(event, recipient)


def _match(key: str, pattern: Any) -> JsonObject:
    return {"kind": "event_match", "key": key, "pattern": pattern}


def test_event_match_looks_at_text_alone() -> None:
    topic = _match("content.topic", "*")
    assert _holds(topic, _event(content={"topic": ""}))
    for content in ({}, {"topic": None}, {"topic": 1}, {"topic": ["a"]}, {"topic": {"a": "b"}}):
        assert not _holds(topic, _event(content=content))
    assert not _holds(topic, _event(content="no object"))


def test_event_match_is_of_the_whole_but_in_the_body() -> None:
    content = {"body": "all the lunch plans", "topic": "all the lunch plans"}
    assert _holds(_match("content.body", "LUNCH"), _event(content=content))
    assert not _holds(_match("content.topic", "LUNCH"), _event(content=content))
    assert _holds(_match("content.topic", "*LUNCH*"), _event(content=content))


def test_a_state_key_is_asked_for() -> None:
    condition = _match("state_key", "")
    assert _holds(condition, _event(state_key=""))
    assert not _holds(condition, _event(state_key="x"))
    assert not _holds(condition, _event())


def test_keys_with_dots_are_escaped() -> None:
    content = {"m.relates_to": {"rel_type": "m.thread"}, "m": {"relates_to": {"rel_type": "other"}}}
    assert _holds(_match(r"content.m\.relates_to.rel_type", "m.thread"), _event(content=content))
    assert _holds(_match("content.m.relates_to.rel_type", "other"), _event(content=content))


@pytest.mark.parametrize("value", ["text", "", 0, 1, -MAX_INTEGER, True, False, None])
def test_event_property_is(value: Any) -> None:
    condition = {"kind": "event_property_is", "key": "content.value", "value": value}
    for other in ["text", "TEXT", "", 0, 1, 1.0, -MAX_INTEGER, True, False, None, "true", [value], {}]:
        same = type(other) is type(value) and other == value
        assert _holds(condition, _event(content={"value": other})) is same
    assert not _holds(condition, _event())


@pytest.mark.parametrize("value", [1.5, MAX_INTEGER + 1, [], {}])
def test_only_simple_values_are_looked_for(value: Any) -> None:
    for kind, there in (("event_property_is", value), ("event_property_contains", [value])):
        condition = {"kind": kind, "key": "content.value", "value": value}
        assert not _holds(condition, _event(content={"value": there}))


def test_event_property_contains() -> None:
    condition = {"kind": "event_property_contains", "key": "content.aliases", "value": "#a:test"}
    assert _holds(condition, _event(content={"aliases": [1, {}, "#a:test"]}))
    for aliases in (["#b:test"], ["#A:test"], [["#a:test"]], "#a:test", {"#a:test": 1}, None):
        assert not _holds(condition, _event(content={"aliases": aliases}))
    one = {"kind": "event_property_contains", "key": "content.aliases", "value": 1}
    assert not _holds(one, _event(content={"aliases": [True, 1.0, "1"]}))


def test_what_is_personal_needs_a_person() -> None:
    invited = _match("state_key", OWN_USER_ID)
    mentioned = {"kind": "event_property_contains", "key": "content.users", "value": OWN_USER_ID}
    named = {"kind": "contains_display_name"}
    event = _event(
        state_key="@alice:test", content={"users": ["@alice:test"], "body": "where is alice [ON leave]?"}
    )
    for condition in (invited, mentioned, named):
        assert _holds(condition, event)
        assert not _holds(condition, event, None)
        assert not _holds(condition, event, Recipient("@carol:test", "Carol"))
        assert not _holds(condition, event, Recipient("@carol:test", None))
        assert not _holds(condition, event, Recipient("@carol:test", ""))


@pytest.mark.parametrize("body", ["Alice [on leave]s", "xAlice [on leave]", "Alice [on", 7])
def test_a_display_name_is_whole(body: Any) -> None:
    assert not _holds({"kind": "contains_display_name"}, _event(content={"body": body}))


@pytest.mark.parametrize(
    ("wish", "fitting"),
    [
        ("2", {2}),
        ("==2", {2}),
        ("<2", {1}),
        (">2", {3}),
        ("<=2", {1, 2}),
        (">=2", {2, 3}),
        ("", set()),
        ("=2", set()),
        ("!=2", set()),
        ("two", set()),
        ("-2", set()),
        (2, {2}),
        (None, set()),
    ],
)
def test_room_member_count(wish: Any, fitting: set[int]) -> None:
    condition = {"kind": "room_member_count", "is": wish}
    assert {count for count in (1, 2, 3) if _holds(condition, _event(members=count))} == fitting


def test_sender_notification_permission() -> None:
    condition = {"kind": "sender_notification_permission", "key": "room"}
    assert _holds(condition, _event(may_notify=True))
    assert not _holds(condition, _event(may_notify=False))
    assert not _holds({**condition, "key": "other"}, _event(may_notify=True))


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"kind": "no_such_condition"},
        {"kind": ["event_match"]},
        {"kind": "event_match"},
        {"kind": "event_match", "key": "type"},
        {"kind": "event_match", "key": 1, "pattern": "*"},
        {"kind": "event_match", "key": "type", "pattern": 1},
        {"kind": "event_property_is", "key": "content.absent"},
        {"kind": "event_property_contains", "value": 1},
        {"kind": "room_member_count"},
        {"kind": "sender_notification_permission"},
    ],
)
def test_what_is_not_understood_never_holds(condition: JsonObject) -> None:
    assert not _holds(condition, _event(may_notify=True))
