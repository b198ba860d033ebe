"""Events as servers send them to each other, made from how they are stored, without reading their content."""

from homeserver.protocol.events import from_stored
from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.json import encode_json
from homeserver.protocol.packed_half import unpack_json
from homeserver.protocol.redaction import redact_event
from homeserver.protocol.room_versions import EventIDForm, RoomVersion

_EVENT_ID = b',"event_id":"'
_REDACTS = b'"redacts":'
_CREATE_ENDING = b'"type":"m.room.create","state_key":""}'


def stored_pdu(client: bytes, federation: bytes, room_id: RoomID, version: RoomVersion) -> bytes:
    """The PDU as JSON, from the two halves that `stored_forms` made."""
    # Only what redacts may have something in both halves, or in the wrong one.
    if _REDACTS in client:
        return encode_json(from_stored(client, federation, room_id, version).pdu())
    parts = [client[:-1] if version.event_ids is EventIDForm.ASSIGNED else _without_event_id(client)]
    if not (version.room_id_is_create_hash and client.endswith(_CREATE_ENDING)):
        parts.append(b'"room_id":' + encode_json(room_id))
    parts.append(unpack_json(federation)[1:])
    return b",".join(parts)


def redacted_pdu(client: bytes, federation: bytes, room_id: RoomID, version: RoomVersion) -> bytes:
    """The same of the event as its redaction leaves it."""
    return encode_json(redact_event(from_stored(client, federation, room_id, version)).pdu())


def _without_event_id(client: bytes) -> bytes:
    """The client's half without its last brace, too."""
    # What follows the content holds no object, and within strings quotes have a backslash: it is the last one.
    start = client.rindex(_EVENT_ID)
    end = client.index(b'"', start + len(_EVENT_ID))
    return client[:start] + client[end + 1 : -1]
