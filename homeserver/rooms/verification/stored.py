"""Whether the row of an event and its two halves are those of the event."""

from collections.abc import Iterator
from typing import NamedTuple

from homeserver.protocol.errors import MatrixError
from homeserver.protocol.event_signatures import required_signers, verify_event
from homeserver.protocol.events import Event, from_stored, parse_pdu, stored_forms
from homeserver.protocol.hashes import content_hash_matches
from homeserver.protocol.identifiers import RoomID, ServerName
from homeserver.protocol.redaction import redact_event
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.signing import SignatureInvalid, SigningKey
from homeserver.rooms.store.whole_rooms import StoredEvent


class Unreadable(Exception):
    """The event cannot be read from what is stored of it."""


class Identity(NamedTuple):
    """The server whose signatures can be verified."""

    server_name: ServerName
    key: SigningKey


def read_event(row: StoredEvent, room_id: RoomID, version: RoomVersion) -> Event:
    """Raises Unreadable where there is no body, or none of an event of this version."""
    if row.client is None or row.federation is None:
        raise Unreadable("has no body")
    try:
        event = from_stored(row.client, row.federation, room_id, version)
        parsed = parse_pdu(event.pdu(), version)
        forms = stored_forms(event)
    except MatrixError as error:
        raise Unreadable(f"is no event: {error}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # Whatever a damaged body leads to.
        raise Unreadable(f"cannot be read: {error}") from None
    if parsed.event_id != row.event_id:
        raise Unreadable(f"has the hash of {parsed.event_id}")
    if forms != (row.client, row.federation) or event.event_id != row.event_id:
        raise Unreadable("is not stored as it would be now")
    return event


def has_lost_content(event: Event) -> bool:
    """Whether only what a redaction leaves is still stored."""
    return redact_event(event) == event and not content_hash_matches(event)


def wrong_columns(event: Event, row: StoredEvent) -> Iterator[str]:
    """The columns that say something else than the event."""
    slot = (row.slot_type, row.state_key) if row.slot is not None else (None, None)
    # What was beside the timeline before kept its number, which is lower; that of history is higher as a rule.
    is_misplaced = row.position is not None and not row.is_history and row.position < row.nid
    expected: dict[str, tuple[object, object]] = {
        "position": (is_misplaced, False),
        "type": (row.type, event.type),
        "sender": (row.sender, event.sender),
        "slot": (slot, event.slot if event.is_state else (None, None)),
        "depth": (row.depth, event.depth),
        "origin_server_ts": (row.origin_server_ts, event.origin_server_ts),
    }
    for column, (stored, right) in expected.items():
        if stored != right:
            yield column


def check_signatures(event: Event, identity: Identity) -> int:
    """How many of the required signatures are by keys that are not at hand. Raises SignatureInvalid."""
    unchecked = 0
    for server in required_signers(event):
        own = event.signatures.get(server, {})
        # An event of before a change of keys has a signature by an older one.
        if server == identity.server_name and (identity.key.key_id in own or not own):
            verify_event(event, server, identity.key.key_id, identity.key.public_key)
        elif own:
            unchecked += 1
        else:
            raise SignatureInvalid(f"There is no signature of {server}")
    return unchecked
