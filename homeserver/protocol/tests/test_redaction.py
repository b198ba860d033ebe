from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeserver.protocol.events import parse_pdu
from homeserver.protocol.hashes import essential_json
from homeserver.protocol.json import JsonObject
from homeserver.protocol.redaction import redact, redact_event
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from homeserver.protocol.tests.rooms import Room, every_version, versions
from homeserver.protocol.tests.test_json import json_values

KEPT_KEYS = {
    "event_id",
    "type",
    "room_id",
    "sender",
    "state_key",
    "content",
    "hashes",
    "signatures",
    "depth",
    "prev_events",
    "auth_events",
    "origin_server_ts",
}

# By event type: keys of the content, with the first and last room version that keeps them.
KEPT_CONTENT: dict[str, dict[str, tuple[int, int]]] = {
    "m.room.member": {"membership": (1, 12), "join_authorised_via_users_server": (9, 12)},
    "m.room.create": {"creator": (1, 12), "m.federate": (11, 12), "anything": (11, 12)},
    "m.room.join_rules": {"join_rule": (1, 12), "allow": (8, 12)},
    "m.room.power_levels": {
        "ban": (1, 12),
        "events": (1, 12),
        "events_default": (1, 12),
        "kick": (1, 12),
        "redact": (1, 12),
        "state_default": (1, 12),
        "users": (1, 12),
        "users_default": (1, 12),
        "invite": (11, 12),
        "notifications": (0, 0),
    },
    "m.room.aliases": {"aliases": (1, 5)},
    "m.room.history_visibility": {"history_visibility": (1, 12)},
    "m.room.redaction": {"redacts": (11, 12), "reason": (0, 0)},
    "m.room.message": {"body": (0, 0)},
    "m.room.topic": {"topic": (0, 0)},
}


@every_version
@pytest.mark.parametrize("type_", KEPT_CONTENT)
def test_content_keeps_what_the_version_says(type_: str, version: RoomVersion) -> None:
    content = {key: key for key in (*KEPT_CONTENT[type_], "more")}
    number = int(version.identifier)
    kept = {key for key, (first, last) in KEPT_CONTENT[type_].items() if first <= number <= last}
    if type_ == "m.room.create" and number >= 11:
        kept.add("more")
    assert redact({"type": type_, "content": content}, version)["content"].keys() == kept


@every_version
def test_top_level_keeps_what_the_version_says(version: RoomVersion) -> None:
    old = {"prev_state", "origin", "membership"}
    event = dict.fromkeys(KEPT_KEYS | old | {"unsigned", "redacts", "age", "more"}, "x")
    expected = KEPT_KEYS if int(version.identifier) >= 11 else KEPT_KEYS | old
    assert redact(event, version).keys() == expected


@versions(11)
@pytest.mark.parametrize(
    ("invite", "kept"),
    [
        (
            {"signed": {"mxid": "@a:b"}, "display_name": "x"},
            {"third_party_invite": {"signed": {"mxid": "@a:b"}}},
        ),
        ({"display_name": "x"}, {"third_party_invite": {}}),
        ("x", {}),
    ],
)
def test_third_party_invites_keep_what_is_signed(invite: Any, kept: JsonObject, version: RoomVersion) -> None:
    event = {"type": "m.room.member", "content": {"third_party_invite": invite}}
    assert redact(event, version)["content"] == kept


@versions(1, 10)
def test_third_party_invites_were_once_lost(version: RoomVersion) -> None:
    event = {"type": "m.room.member", "content": {"third_party_invite": {"signed": {}}}}
    assert redact(event, version)["content"] == {}


@every_version
@pytest.mark.parametrize(
    "event", [{}, {"type": "m.room.member"}, {"type": 1, "content": {}}, {"content": []}]
)
def test_what_is_no_event_is_redacted_all_the_same(event: JsonObject, version: RoomVersion) -> None:
    assert redact(event, version)["content"] == {}


known_keys = sorted({key for keys in KEPT_CONTENT.values() for key in keys} | {"third_party_invite", "more"})
contents = st.dictionaries(st.sampled_from(known_keys), json_values(), max_size=6)
pdus = st.fixed_dictionaries(
    {"type": st.sampled_from([*KEPT_CONTENT, "x"]), "content": contents, "event_id": st.just("$1:a")},
    optional={
        key: json_values()
        for key in (
            "state_key",
            "origin",
            "prev_state",
            "membership",
            "redacts",
            "unsigned",
            "signatures",
            "x",
        )
    },
)


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=list(ROOM_VERSIONS))
@settings(max_examples=30)
@given(pdu=pdus)
def test_redaction_keeps_the_event_id(pdu: JsonObject, version: RoomVersion) -> None:
    once = redact(pdu, version)
    assert essential_json(once, version) == essential_json(pdu, version)
    assert redact(once, version) == once


@every_version
def test_redacted_events_are_the_events_of_redacted_pdus(version: RoomVersion) -> None:
    room = Room.with_members(version)
    events = [
        *room.state.values(),
        room.add("m.room.message", {"body": "hi"}),
        room.add("m.room.redaction", {"reason": "x"}, redacts=room.create.event_id),
    ]
    for event in events:
        redacted = redact_event(event)
        assert redacted.pdu() == redact(event.pdu(), version)
        assert redacted.event_id == parse_pdu(redacted.pdu(), version).event_id == event.event_id
        assert redact_event(redacted) == redacted
