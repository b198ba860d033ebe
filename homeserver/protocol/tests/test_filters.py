from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.protocol.errors import BadJson
from homeserver.protocol.event import Event
from homeserver.protocol.filters import (
    EventFilter,
    Filter,
    RoomEventFilter,
    only_fields,
    parse_filter,
    parse_room_event_filter,
)
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import ROOM_VERSIONS
from homeserver.protocol.tests.rooms import ALICE, BOB, Room
from homeserver.protocol.tests.test_json import json_values

ROOM = Room.with_members(ROOM_VERSIONS["12"])


def event(type_: str = "m.room.message", content: JsonObject | None = None) -> Event:
    return ROOM.event(type_, content or {}, sender=ALICE)


def room_events(**fields: Any) -> RoomEventFilter:
    return parse_room_event_filter(fields)


def test_the_example_of_the_specification() -> None:
    parsed = parse_filter(
        {
            "room": {
                "state": {"types": ["m.room.*"], "not_rooms": ["!726s6s6q:example.com"]},
                "timeline": {
                    "limit": 10,
                    "types": ["m.room.message"],
                    "not_rooms": ["!726s6s6q:example.com"],
                    "not_senders": ["@spam:example.com"],
                },
                "ephemeral": {
                    "types": ["m.receipt", "m.typing"],
                    "not_rooms": ["!726s6s6q:example.com"],
                    "not_senders": ["@spam:example.com"],
                },
            },
            "presence": {"types": ["m.presence"], "not_senders": ["@alice:example.com"]},
            "event_format": "client",
            "event_fields": ["type", "content", "sender"],
        }
    )
    assert parsed.room.timeline.limit == 10
    assert parsed.room.timeline.matches(event("m.room.message"))
    assert not parsed.room.timeline.matches(event("m.room.name"))
    assert parsed.room.state.matches(event("m.room.name"))
    assert not parsed.room.state.includes("!726s6s6q:example.com")
    assert parsed.room.ephemeral.passes("m.typing")
    assert not parsed.presence.passes("m.presence", "@alice:example.com")
    assert parsed.event_fields == ("type", "content", "sender")


def test_an_empty_filter_passes_everything() -> None:
    assert parse_filter({}) == Filter()
    assert parse_filter({}).room.timeline.matches(event())
    assert parse_filter({}).account_data.passes("m.direct")
    assert parse_filter({}).room.includes("!room:a")
    assert not parse_filter({}).room.include_leave


def test_unknown_keys_are_ignored() -> None:
    assert parse_filter({"x": 1, "room": {"y": 2, "state": {"z": 3}}}) == Filter()


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "x",
        {"room": []},
        {"room": {"timeline": 5}},
        {"room": {"timeline": {"limit": "5"}}},
        {"room": {"timeline": {"limit": -1}}},
        {"room": {"timeline": {"limit": 1.5}}},
        {"room": {"timeline": {"types": "m.room.*"}}},
        {"room": {"timeline": {"types": [5]}}},
        {"room": {"timeline": {"contains_url": "yes"}}},
        {"room": {"state": {"lazy_load_members": 1}}},
        {"room": {"rooms": {}}},
        {"presence": {"senders": [None]}},
        {"event_fields": [1]},
        {"event_format": "x"},
    ],
    ids=str,
)
def test_bad_shapes(value: Any) -> None:
    with pytest.raises(BadJson):
        parse_filter(value)


@given(json_values(st.floats()))
def test_junk_is_a_filter_or_bad_json(value: Any) -> None:
    for candidate in (value, {"room": value}, {"room": {"timeline": value}}):
        try:
            parse_filter(candidate).room.timeline.matches(event())
        except BadJson:
            continue


@pytest.mark.parametrize(
    ("pattern", "type_", "matches"),
    [
        ("m.room.message", "m.room.message", True),
        ("m.room.message", "m.room.messages", False),
        ("m.room.*", "m.room.message", True),
        ("m.room.*", "m.room.", True),
        ("m.room.*", "m.roomx", False),
        ("*", "anything", True),
        ("*", "", True),
        ("*.message", "m.room.message", True),
        ("m.*.message", "m.room.message", True),
        ("m.*.message", "m.message", False),
        ("a*b*c", "a1b2b3c", True),
        ("a*b*c", "a1c2b", False),
        ("ab*bc", "abc", False),
        ("**", "x", True),
        ("m.room.[m]*", "m.room.message", False),
        ("m?room*", "m.room.message", False),
        ("*\n", "x\n", True),
    ],
)
def test_wildcards(pattern: str, type_: str, matches: bool) -> None:
    assert EventFilter(types=(pattern,)).passes(type_) is matches
    assert EventFilter(not_types=(pattern,)).passes(type_) is not matches


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_wildcards_are_as_a_slow_search_finds(pattern: str, text: str) -> None:
    def search(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(search(pattern[1:], text[at:]) for at in range(len(text) + 1))
        return text[:1] == pattern[0] and search(pattern[1:], text[1:])

    assert EventFilter(types=(pattern,)).passes(text) is search(pattern, text)


def test_types_are_excluded_even_if_included() -> None:
    assert room_events(types=["m.*"], not_types=["m.room.name"]).matches(event("m.room.message"))
    assert not room_events(types=["m.*"], not_types=["m.room.name"]).matches(event("m.room.name"))
    assert not room_events(types=[]).matches(event())


def test_senders() -> None:
    assert room_events(senders=[ALICE]).matches(event())
    assert not room_events(senders=[BOB]).matches(event())
    assert not room_events(senders=[]).matches(event())
    assert not room_events(senders=[ALICE], not_senders=[ALICE]).matches(event())
    assert room_events(not_senders=[BOB]).matches(event())
    # What has no sender is not excluded by who it is from.
    assert EventFilter(senders=(BOB,), not_senders=(ALICE,)).passes("m.direct")


def test_urls() -> None:
    picture = event(content={"url": "mxc://a/b"})
    assert [room_events(contains_url=wanted).matches(picture) for wanted in (True, False, None)] == [
        True,
        False,
        True,
    ]
    assert [room_events(contains_url=wanted).matches(event()) for wanted in (True, False, None)] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("parse", [parse_room_event_filter, lambda value: parse_filter({"room": value}).room])
def test_rooms(parse: Any) -> None:
    assert parse({"rooms": ["!r"]}).includes("!r")
    assert not parse({"rooms": ["!r"]}).includes("!s")
    assert not parse({"rooms": []}).includes("!s")
    assert not parse({"rooms": ["!r"], "not_rooms": ["!r"]}).includes("!r")
    assert parse({"not_rooms": ["!r"]}).includes("!s")


def test_fields_for_others_to_follow() -> None:
    parsed = room_events(
        lazy_load_members=True,
        include_redundant_members=True,
        unread_thread_notifications=True,
        related_by_senders=[ALICE],
        related_by_rel_types=["m.thread"],
    )
    assert parsed.lazy_load_members
    assert parsed.include_redundant_members
    assert parsed.unread_thread_notifications
    assert (parsed.related_by_senders, parsed.related_by_rel_types) == ((ALICE,), ("m.thread",))


@pytest.mark.parametrize(
    ("paths", "selected"),
    [
        ([], {}),
        (["type"], {"type": "t"}),
        (["content"], {"content": {"body": "b", "m.x": {"y": 1}, "a\\b": 2, "a\\.b": 3}}),
        (["content.body"], {"content": {"body": "b"}}),
        (["content.body", "type"], {"content": {"body": "b"}, "type": "t"}),
        ([r"content.m\.x"], {"content": {"m.x": {"y": 1}}}),
        ([r"content.m\.x.y"], {"content": {"m.x": {"y": 1}}}),
        ([r"content.a\\b"], {"content": {"a\\b": 2}}),
        ([r"content.a\b"], {"content": {"a\\b": 2}}),
        (["content.body", r"content.a\\b"], {"content": {"body": "b", "a\\b": 2}}),
        (["type.x", "other", "content.body.x"], {"content": {}}),
    ],
)
def test_only_fields(paths: list[str], selected: JsonObject) -> None:
    shown = {"type": "t", "content": {"body": "b", "m.x": {"y": 1}, "a\\b": 2, "a\\.b": 3}}
    assert only_fields(shown, paths) == selected
