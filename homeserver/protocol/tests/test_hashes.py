from hashlib import sha256

import pytest

from homeserver.protocol.errors import BadJson
from homeserver.protocol.events import ReadPdu, parse_pdu, read_pdu
from homeserver.protocol.hashes import (
    content_hash,
    content_hash_matches,
    essential_json,
    reference_hash,
)
from homeserver.protocol.json import JsonObject, canonical_json
from homeserver.protocol.redaction import redact_event
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from homeserver.protocol.tests.rooms import Room, every_version
from homeserver.protocol.tests.test_signing import KEY
from homeserver.protocol.unpadded_base64 import decode_base64

V1 = ROOM_VERSIONS["1"]

MINIMAL: JsonObject = {
    "room_id": "!x:domain",
    "sender": "@a:domain",
    "origin": "domain",
    "origin_server_ts": 1000000,
    "signatures": {},
    "hashes": {},
    "type": "X",
    "content": {},
    "prev_events": [],
    "auth_events": [],
    "depth": 3,
    "unsigned": {"age_ts": 1000000},
}
MESSAGE: JsonObject = {
    "content": {"body": "Here is the message content"},
    "event_id": "$0:domain",
    "origin": "domain",
    "origin_server_ts": 1000000,
    "type": "m.room.message",
    "room_id": "!r:domain",
    "sender": "@u:domain",
    "signatures": {},
    "unsigned": {"age_ts": 1000000},
}


@pytest.mark.parametrize(
    ("event", "expected", "signature"),
    [
        (
            MINIMAL,
            "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
            "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg",
        ),
        (
            MESSAGE,
            "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
            "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA",
        ),
    ],
)
def test_vectors_of_the_specification(event: JsonObject, expected: str, signature: str) -> None:
    assert content_hash(event, V1) == expected
    assert KEY.sign(essential_json({**event, "hashes": {"sha256": expected}}, V1)) == signature


@every_version
def test_event_ids_take_the_form_of_their_version(version: RoomVersion) -> None:
    event = Room.with_members(version).add("m.room.message", {"body": "hi"})
    expected = {
        **dict.fromkeys(("1", "2"), event.event_id),
        "3": "$" + reference_hash(event.pdu(), version),
    }
    url_safe = "$" + reference_hash(event.pdu(), version).replace("+", "-").replace("/", "_")
    assert event.event_id == expected.get(version.identifier, url_safe)
    assert parse_pdu(event.pdu(), version).event_id == event.event_id


@every_version
def test_content_hash_shows_what_was_taken_away(version: RoomVersion) -> None:
    event = Room.with_members(version).add("m.room.message", {"body": "hi"})
    assert content_hash_matches(event)
    assert not content_hash_matches(redact_event(event))


def test_floats_are_hashed_as_the_network_writes_them() -> None:
    levels = {**MESSAGE, "content": {"a": 1e22, "b": 1e-7, "c": 50.57, "d": -0.0}}
    written = b'{"a":1e+22,"b":1e-07,"c":50.57,"d":-0.0}'
    hashed = {**MESSAGE, "content": "@"}
    for key in ("signatures", "unsigned"):
        del hashed[key]
    expected = sha256(canonical_json(hashed).replace(b'"@"', written)).digest()
    assert decode_base64(content_hash(levels, V1)) == expected


def test_what_cannot_be_written_is_bad_json() -> None:
    for content in ({"creator": "\ud800"}, {"creator": object()}):
        for version in (V1, ROOM_VERSIONS["12"]):
            with pytest.raises(BadJson):
                reference_hash({**MESSAGE, "type": "m.room.create", "content": content}, version)
            with pytest.raises(BadJson):
                content_hash({**MESSAGE, "content": content}, version)


@every_version
def test_what_is_found_out_while_reading(version: RoomVersion) -> None:
    event = Room.with_members(version).add("m.room.message", {"body": "hi"})
    assert read_pdu(event.pdu(), version) == ReadPdu(event, True, essential_json(event.pdu(), version))
    changed = {**event.pdu(), "content": {"body": "another"}}
    read = read_pdu(changed, version)
    assert not read.is_whole
    assert read.essential == essential_json(event.pdu(), version), (
        "of the content of messages nothing is signed"
    )
    assert not read_pdu({**event.pdu(), "hashes": {"sha256": "no Base64"}}, version).is_whole
