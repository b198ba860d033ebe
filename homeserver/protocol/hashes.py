"""The hashes of an event, and its ID.

https://spec.matrix.org/v1.19/server-server-api/#signing-events
"""

import hmac
from hashlib import sha256

from homeserver.protocol.errors import BadJson
from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.json import JsonObject, canonical_json, relaxed_canonical_json
from homeserver.protocol.redaction import redact
from homeserver.protocol.room_versions import EventIDForm, RoomVersion
from homeserver.protocol.unpadded_base64 import decode_base64, encode_base64, encode_urlsafe_base64

_NOT_HASHED = frozenset({"unsigned", "signatures", "hashes"})


def canonical_event_json(pdu: JsonObject, version: RoomVersion) -> bytes:
    """Canonical JSON as the room version has it. Raises BadJson where it cannot be written."""
    encode = canonical_json if version.strict_canonical_json else relaxed_canonical_json
    try:
        return encode(pdu)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadJson(f"The event cannot be written as canonical JSON: {error}") from None


def essential_json(pdu: JsonObject, version: RoomVersion) -> bytes:
    """What the reference hash and every signature cover: the redacted event without signatures."""
    essential = redact(pdu, version)
    essential.pop("signatures", None)
    return canonical_event_json(essential, version)


def hashed_json(pdu: JsonObject, version: RoomVersion) -> bytes:
    """What the content hash covers: the event without `hashes`, signatures and `unsigned`. Raises BadJson."""
    hashed = {key: value for key, value in pdu.items() if key not in _NOT_HASHED}
    return canonical_event_json(hashed, version)


def content_hash(pdu: JsonObject, version: RoomVersion) -> str:
    """The SHA-256 of the whole event, in unpadded Base64, as it stands in `hashes`. Raises BadJson."""
    return encode_base64(sha256(hashed_json(pdu, version)).digest())


def content_hash_matches(event: Event) -> bool:
    """Whether the event is whole; where it is not, only its redacted form may be used."""
    return is_hash_of(event.hashes["sha256"], hashed_json(event.pdu(), event.version))


def is_hash_of(claimed: str, hashed: bytes) -> bool:
    """Whether `claimed`, from an event's `hashes`, is the content hash of the event with this `hashed_json`."""
    try:
        return hmac.compare_digest(decode_base64(claimed), sha256(hashed).digest())
    except ValueError:
        return False


def reference_hash(pdu: JsonObject, version: RoomVersion) -> str:
    """The SHA-256 that names the event, in unpadded Base64. Raises BadJson."""
    return encode_base64(sha256(essential_json(pdu, version)).digest())


def event_id_of(pdu: JsonObject, essential: bytes, version: RoomVersion) -> EventID:
    """The event's ID; in room versions 1 and 2 what it claims. `essential` is its `essential_json`."""
    if version.event_ids is EventIDForm.ASSIGNED:
        return EventID(pdu["event_id"])
    return hashed_event_id(essential, version)


def hashed_event_id(essential: bytes, version: RoomVersion) -> EventID:
    """The ID of an event of which `essential_json` is at hand; room versions 3 and later."""
    url_safe = version.event_ids is EventIDForm.URL_SAFE
    encode = encode_urlsafe_base64 if url_safe else encode_base64
    return EventID("$" + encode(sha256(essential).digest()))
