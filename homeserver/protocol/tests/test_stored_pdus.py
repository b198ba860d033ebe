"""Splicing what is stored gives what reading and writing it gives."""

from typing import Any
from unittest import TestCase

from homeserver.protocol.events import Event, from_stored, parse_pdu, stored_forms
from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.protocol.redaction import redact_event
from homeserver.protocol.room_versions import ROOM_VERSIONS, EventIDForm, RoomVersion
from homeserver.protocol.stored_pdus import redacted_pdu, stored_pdu
from homeserver.protocol.unpadded_base64 import encode_base64

ROOM = RoomID("!room:example.org")
HASH = encode_base64(b"\0" * 32)
MEMBER = {"type": "m.room.member", "state_key": "@a:example.org", "content": {"membership": "join"}}
NASTY = ',"event_id":"$x",\\"event_id":"'
CASES: list[JsonObject] = [
    {},
    MEMBER,
    {"content": {"event_id": "$x", "a": {"b": 1, "event_id": "$y"}}},
    {"type": NASTY, "state_key": NASTY, "content": {"body": NASTY}},
    {"content": {"redacts": "$x"}},
    {"type": "m.room.redaction", "redacts": "$x:example.org", "content": {"reason": "no"}},
    {"type": "m.room.redaction", "content": {"redacts": "$x:example.org"}},
    {"redacts": "no event", "origin": "example.org", "prev_state": []},
    {"type": "m.room.create", "state_key": "", "content": {"creator": "@a:example.org"}},
    {"type": "m.room.create", "state_key": "x"},
]


def event_of(version: RoomVersion, fields: JsonObject) -> Event:
    edge: Any = ["$before:example.org", {"sha256": HASH}] if version.edges_carry_hashes else "$before"
    is_create = fields.get("type") == "m.room.create" and fields.get("state_key") == ""
    pdu: JsonObject = {
        "type": "m.room.message",
        "room_id": ROOM,
        "sender": "@a:example.org",
        "content": {"body": "hello"},
        "origin_server_ts": 1,
        "depth": 2,
        "prev_events": [edge],
        "auth_events": [edge],
        "hashes": {"sha256": HASH},
        "signatures": {"example.org": {"ed25519:1": "x"}},
        **fields,
    }
    if version.event_ids is EventIDForm.ASSIGNED:
        pdu["event_id"] = "$own:example.org"
    if is_create and version.room_id_is_create_hash:
        del pdu["room_id"]
    return parse_pdu(pdu, version)


class StoredPduTests(TestCase):
    def test_the_same_as_read_and_written(self) -> None:
        for version in ROOM_VERSIONS.values():
            for fields in CASES:
                with self.subTest(version=version.identifier, fields=fields):
                    event = event_of(version, fields)
                    halves = stored_forms(event)
                    spliced = stored_pdu(*halves, event.room_id, version)
                    again = from_stored(*halves, event.room_id, version)
                    self.assertEqual(decode_json(spliced), again.pdu())
                    self.assertEqual(decode_json(spliced), event.pdu())
                    redacted = redacted_pdu(*halves, event.room_id, version)
                    self.assertEqual(decode_json(redacted), redact_event(event).pdu())
