"""The format of events: whether something received is an event of its room version at all.

https://spec.matrix.org/v1.19/rooms/ ("Event format" of each version) and
https://spec.matrix.org/v1.19/client-server-api/#size-limits
"""

from collections.abc import Iterator
from typing import Annotated, TypeAlias

import msgspec

from homeserver.protocol.errors import BadJson, TooLarge
from homeserver.protocol.event import is_hashed_create
from homeserver.protocol.identifiers import EVENT_ID, MAX_IDENTIFIER_BYTES, ROOM_ID, USER_ID, exceeds_bytes
from homeserver.protocol.json import JsonObject, NotCanonical, require_canonical
from homeserver.protocol.room_versions import RoomVersion

MAX_EVENT_BYTES = 65_536
MAX_PREV_EVENTS = 20
MAX_AUTH_EVENTS = 10
# Of one code point in UTF-8.
_MOST_BYTES = 4

# What a database holds.
_Int64: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Hashes(msgspec.Struct):
    sha256: str


class _AnyFormat(msgspec.Struct, kw_only=True):
    type: str
    sender: str
    content: JsonObject
    depth: int
    origin_server_ts: _Int64
    hashes: _Hashes
    signatures: dict[str, dict[str, str]]
    room_id: str | msgspec.UnsetType = msgspec.UNSET
    state_key: str | msgspec.UnsetType = msgspec.UNSET
    unsigned: JsonObject | msgspec.UnsetType = msgspec.UNSET

    def edges(self) -> Iterator[str]:
        raise NotImplementedError


_HashedEdge: TypeAlias = tuple[str, JsonObject]


class _AssignedFormat(_AnyFormat, kw_only=True):
    """Room versions 1 and 2."""

    event_id: str
    prev_events: Annotated[list[_HashedEdge], msgspec.Meta(max_length=MAX_PREV_EVENTS)]
    auth_events: Annotated[list[_HashedEdge], msgspec.Meta(max_length=MAX_AUTH_EVENTS)]

    def edges(self) -> Iterator[str]:
        yield self.event_id
        for event_id, _ in (*self.prev_events, *self.auth_events):
            yield event_id


class _HashedFormat(_AnyFormat, kw_only=True):
    """Room versions 3 and later: the ID is not part of the event."""

    event_id: msgspec.UnsetType = msgspec.UNSET
    prev_events: Annotated[list[str], msgspec.Meta(max_length=MAX_PREV_EVENTS)]
    auth_events: Annotated[list[str], msgspec.Meta(max_length=MAX_AUTH_EVENTS)]

    def edges(self) -> Iterator[str]:
        yield from self.prev_events
        yield from self.auth_events


def check_format(pdu: JsonObject, version: RoomVersion) -> None:
    """Raises BadJson unless `pdu` has what an event of its version has, in the right types and grammar."""
    form = _AssignedFormat if version.edges_carry_hashes else _HashedFormat
    try:
        shape = msgspec.convert(pdu, form)
    # The latter for lone surrogates, which no decoded JSON has.
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise BadJson(f"Not an event: {error}") from None
    _check_identifiers(shape, version)
    if not 0 <= shape.depth <= version.max_depth:
        raise BadJson("Not an event: the depth is out of range")
    if version.strict_canonical_json:
        check_canonical(without_unsigned(pdu))
    if shape.type == "m.room.redaction" and not version.redacts_in_content:
        _check_redacts(pdu)


def without_unsigned(pdu: JsonObject) -> JsonObject:
    """The part of an event that is the same on every server, so that all judge it alike."""
    return {key: value for key, value in pdu.items() if key != "unsigned"}


def check_canonical(value: JsonObject) -> None:
    """Raises BadJson."""
    try:
        require_canonical(value)
    except NotCanonical as error:
        raise BadJson(f"Not canonical JSON: {error}") from None


def check_lengths(pdu: JsonObject, event_id: str, *, in_bytes: bool) -> None:
    """Raises TooLarge where a limited field has more than 255 bytes, or only if it has more code points."""
    for name, text in limited_fields(pdu, event_id):
        if len(text) * _MOST_BYTES <= MAX_IDENTIFIER_BYTES:
            continue
        if len(text) > MAX_IDENTIFIER_BYTES or (in_bytes and exceeds_bytes(text)):
            raise TooLarge(f"The event's {name} is longer than {MAX_IDENTIFIER_BYTES} bytes")


def check_size(event_bytes: int) -> None:
    """Raises TooLarge. `event_bytes` is the length of the canonical JSON of the event with its signatures."""
    if event_bytes > MAX_EVENT_BYTES:
        raise TooLarge(f"The event is larger than {MAX_EVENT_BYTES} bytes")


def limited_fields(pdu: JsonObject, event_id: str) -> Iterator[tuple[str, str]]:
    yield "event_id", event_id
    for name in ("type", "state_key", "sender", "room_id"):
        if name in pdu:
            yield name, pdu[name]


def _check_identifiers(shape: _AnyFormat, version: RoomVersion) -> None:
    if USER_ID.fullmatch(shape.sender) is None:
        raise BadJson("Not an event: the sender is not a user ID")
    if isinstance(shape, _AssignedFormat) and ":" not in shape.event_id:
        # It could be the hash of another room's event.
        raise BadJson("Not an event: its ID names no server")
    if not all(map(EVENT_ID.fullmatch, shape.edges())):
        raise BadJson("Not an event: something among its edges is not an event ID")
    state_key = None if shape.state_key is msgspec.UNSET else shape.state_key
    if is_hashed_create(version, shape.type, state_key):
        if shape.room_id is not msgspec.UNSET:
            raise BadJson("Not an event: a create event of this room version has no room ID")
    elif shape.room_id is msgspec.UNSET or ROOM_ID.fullmatch(shape.room_id) is None:
        raise BadJson("Not an event: the room ID is missing or not one")


def _check_redacts(pdu: JsonObject) -> None:
    if not isinstance(pdu.get("redacts", ""), str):
        raise BadJson("Not an event: what it redacts is not a string")
