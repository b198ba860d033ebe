"""Making events, reading those of others, and the forms in which they are stored.

https://spec.matrix.org/v1.19/server-server-api/#signing-events
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeAlias

from homeserver.protocol.event import Event, Slot, StateMap, is_hashed_create
from homeserver.protocol.event_format import (
    check_canonical,
    check_format,
    check_lengths,
    check_size,
)
from homeserver.protocol.hashes import (
    canonical_event_json,
    essential_json,
    event_id_of,
    hashed_event_id,
    hashed_json,
    is_hash_of,
)
from homeserver.protocol.identifiers import EVENT_ID, EventID, RoomID, UserID
from homeserver.protocol.json import JsonObject, JsonValue, decode_json, encode_json
from homeserver.protocol.packed_half import pack, unpack
from homeserver.protocol.room_versions import EventIDForm, RoomVersion
from homeserver.protocol.signing import EventSigner
from homeserver.protocol.unpadded_base64 import encode_base64

__all__ = [
    "Event",
    "Proposal",
    "ReadPdu",
    "Slot",
    "StateMap",
    "build_event",
    "from_stored",
    "parse_pdu",
    "read_pdu",
    "stored_forms",
]

_REDACTION = "m.room.redaction"
_EDGES = frozenset({"prev_events", "auth_events"})
# The keys of a PDU that are fields of `Event`; all others are its `extra`.
_FIELDS = frozenset(
    {
        "auth_events",
        "content",
        "depth",
        "event_id",
        "hashes",
        "origin_server_ts",
        "prev_events",
        "room_id",
        "sender",
        "signatures",
        "state_key",
        "type",
        "unsigned",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An event that is still without hashes, signatures and (from room version 3 on) ID."""

    version: RoomVersion
    room_id: RoomID | None
    """None for the create event of a room whose ID will be its hash."""
    type: str
    state_key: str | None = None
    sender: UserID
    content: JsonObject
    origin_server_ts: int
    depth: int
    prev_events: tuple[EventID, ...]
    auth_events: tuple[EventID, ...]
    redacts: EventID | None = None
    event_id: EventID | None = None
    """Room versions 1 and 2 only."""
    edge_hashes: Mapping[EventID, str] = field(default_factory=dict)
    """Room versions 1 and 2 only: the reference hashes of `prev_events` and `auth_events`."""

    def __post_init__(self) -> None:
        if (self.event_id is None) is (self.version.event_ids is EventIDForm.ASSIGNED):
            raise ValueError("Only in room versions 1 and 2 is an event given its ID")


def build_event(proposal: Proposal, signer: EventSigner) -> Event:
    """The signed event.

    Raises BadJson where the content is not canonical JSON though the room version asks for it, TooLarge where
    the event or one of its identifiers is.
    """
    version = proposal.version
    content = _content_to_send(proposal)
    pdu = _bare_pdu(proposal, content)
    if version.strict_canonical_json:
        check_canonical(pdu)
    hashed = canonical_event_json(pdu, version)
    hashes = {"sha256": encode_base64(sha256(hashed).digest())}
    pdu["hashes"] = hashes
    # The same bytes are signed and make the ID.
    essential = essential_json(pdu, version)
    event_id = proposal.event_id or hashed_event_id(essential, version)
    signatures = signer.signatures(essential)
    _check_size(hashed, hashes, signatures, version)
    check_lengths(pdu, event_id, in_bytes=True)
    return Event(
        version=version,
        event_id=event_id,
        room_id=_room_id(proposal.room_id, event_id),
        type=proposal.type,
        state_key=proposal.state_key,
        sender=proposal.sender,
        origin_server_ts=proposal.origin_server_ts,
        content=content,
        depth=proposal.depth,
        prev_events=proposal.prev_events,
        auth_events=proposal.auth_events,
        hashes=hashes,
        signatures=signatures,
        redacts=_redacts(pdu, version),
        extra=_extra(pdu, version),
    )


@dataclass(frozen=True, slots=True)
class ReadPdu:
    """An event that another server sent, with what was found out of it on the way; nobody verified its signatures."""

    event: Event
    is_whole: bool
    """Whether its hash is that of its content; where it is not, only its redacted form may be used."""
    essential: bytes
    """What every signature covers (`essential_json`)."""


def read_pdu(pdu: JsonObject, version: RoomVersion) -> ReadPdu:
    """Raises BadJson where it has not the format of its room version, TooLarge where it is above its limits."""
    check_format(pdu, version)
    essential, hashed, hashes = essential_json(pdu, version), hashed_json(pdu, version), pdu["hashes"]
    event_id = event_id_of(pdu, essential, version)
    check_lengths(pdu, event_id, in_bytes=version.byte_limits)
    _check_size(hashed, hashes, pdu["signatures"], version)
    event = _read(pdu, pdu.get("room_id"), event_id, version)
    return ReadPdu(event, is_hash_of(hashes["sha256"], hashed), essential)


def parse_pdu(pdu: JsonObject, version: RoomVersion) -> Event:
    """The event of `read_pdu`, of which neither the hash nor the signatures matter now."""
    return read_pdu(pdu, version).event


StoredForms: TypeAlias = tuple[bytes, bytes]


def stored_forms(event: Event) -> StoredForms:
    """The event in two halves: the JSON that clients see, without `room_id` and `unsigned`, and the rest, packed.

    `unsigned` is not stored: each server makes its own.
    """
    content = _content_for_clients(event)
    client: JsonObject = {
        "content": content,
        "event_id": event.event_id,
        "origin_server_ts": event.origin_server_ts,
        "sender": event.sender,
        "type": event.type,
    }
    if event.state_key is not None:
        client["state_key"] = event.state_key
    if event.redacts is not None:
        client["redacts"] = event.redacts
    federation: JsonObject = {
        "auth_events": event.auth_events,
        "depth": event.depth,
        "hashes": event.hashes,
        "prev_events": event.prev_events,
        "signatures": event.signatures,
        **event.extra,
    }
    if content is not event.content:
        federation["content"] = event.content
    return encode_json(client), pack(federation)


def from_stored(client_json: bytes, federation_half: bytes, room_id: RoomID, version: RoomVersion) -> Event:
    """The event of which `stored_forms` made the two halves."""
    client = decode_json(client_json)
    if version.redacts_in_content:
        # Written for clients; a key of that name in the event itself is in the other half.
        client.pop("redacts", None)
    return _read({**client, **unpack(federation_half)}, room_id, client["event_id"], version)


def _check_size(hashed: bytes, hashes: JsonObject, signatures: JsonObject, version: RoomVersion) -> None:
    """Raises TooLarge. The size is that of the whole event, but for `unsigned`; `hashed` is its `hashed_json`."""
    others = canonical_event_json({"hashes": hashes, "signatures": signatures}, version)
    # Two objects made one lose a pair of braces and gain a comma.
    check_size(len(hashed) + len(others) - 1)


def _bare_pdu(proposal: Proposal, content: JsonObject) -> JsonObject:
    version = proposal.version
    pdu: JsonObject = {
        "auth_events": list(proposal.auth_events),
        "content": content,
        "depth": proposal.depth,
        "origin_server_ts": proposal.origin_server_ts,
        "prev_events": list(proposal.prev_events),
        "sender": proposal.sender,
        "type": proposal.type,
    }
    if proposal.state_key is not None:
        pdu["state_key"] = proposal.state_key
    if not is_hashed_create(version, proposal.type, proposal.state_key):
        pdu["room_id"] = proposal.room_id
    if proposal.event_id is not None:
        pdu["event_id"] = proposal.event_id
    if proposal.redacts is not None and not version.redacts_in_content:
        pdu["redacts"] = proposal.redacts
    if version.edges_carry_hashes:
        for edges in _EDGES:
            pdu[edges] = [_hashed_edge(event_id, proposal) for event_id in pdu[edges]]
    return pdu


def _hashed_edge(event_id: EventID, proposal: Proposal) -> list[JsonValue]:
    known = proposal.edge_hashes.get(event_id)
    return [event_id, {} if known is None else {"sha256": known}]


def _content_to_send(proposal: Proposal) -> JsonObject:
    if proposal.redacts is None or not proposal.version.redacts_in_content:
        return proposal.content
    return {**proposal.content, "redacts": proposal.redacts}


def _content_for_clients(event: Event) -> JsonObject:
    """Newer clients look for `redacts` in the content, whatever the room version.

    https://spec.matrix.org/v1.19/rooms/v11/#moving-the-redacts-property-of-mroomredaction-events-to-a-content-property
    """
    if event.redacts is None or event.version.redacts_in_content:
        return event.content
    return {**event.content, "redacts": event.redacts}


def _read(pdu: JsonObject, room_id: RoomID | None, event_id: EventID, version: RoomVersion) -> Event:
    return Event(
        version=version,
        event_id=event_id,
        room_id=_room_id(room_id, event_id),
        type=pdu["type"],
        state_key=pdu.get("state_key"),
        sender=pdu["sender"],
        origin_server_ts=pdu["origin_server_ts"],
        content=pdu["content"],
        depth=pdu["depth"],
        prev_events=_edge_ids(pdu["prev_events"], version),
        auth_events=_edge_ids(pdu["auth_events"], version),
        hashes=pdu["hashes"],
        signatures=pdu["signatures"],
        redacts=_redacts(pdu, version),
        unsigned=pdu.get("unsigned", {}),
        extra=_extra(pdu, version),
    )


def _room_id(given: RoomID | None, event_id: EventID) -> RoomID:
    return RoomID("!" + event_id[1:]) if given is None else given


def _edge_ids(edges: list[JsonValue], version: RoomVersion) -> tuple[EventID, ...]:
    return tuple(edge[0] for edge in edges) if version.edges_carry_hashes else tuple(edges)


def _redacts(pdu: JsonObject, version: RoomVersion) -> EventID | None:
    if pdu["type"] != _REDACTION:
        return None
    redacts = (pdu["content"] if version.redacts_in_content else pdu).get("redacts")
    # An event that redacts what is no event is an event all the same.
    if not isinstance(redacts, str) or EVENT_ID.fullmatch(redacts) is None:
        return None
    return EventID(redacts)


def _extra(pdu: JsonObject, version: RoomVersion) -> JsonObject:
    fields = _FIELDS - _EDGES if version.edges_carry_hashes else _FIELDS
    if not version.redacts_in_content and _redacts(pdu, version) is not None:
        fields |= {"redacts"}
    return {key: value for key, value in pdu.items() if key not in fields}
