"""The authorisation rule for invitations of which a third party (an identity server) vouches for the target.

https://spec.matrix.org/v1.19/rooms/v12/#authorisation-rules, rule 5.4.1, and
https://spec.matrix.org/v1.19/server-server-api/#third-party-invites
"""

from collections.abc import Iterator
from itertools import islice, product

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.room_state import AuthRejected, RoomState
from homeserver.protocol.signing import ALGORITHM, SignatureInvalid, verify_json
from homeserver.protocol.unpadded_base64 import decode_base64

# An event can hold enough of them to keep a processor busy for a minute; real ones have one or two.
_MOST_VERIFICATIONS = 256


def third_party_slot(content: JsonObject) -> Slot | None:
    """Where the invitation stands that the content of a membership event refers to."""
    signed = _object(_object(content.get("third_party_invite")).get("signed"))
    token = signed.get("token")
    return ("m.room.third_party_invite", token) if isinstance(token, str) else None


def check_third_party_invite(event: Event, target: str, room: RoomState) -> None:
    """Rule 5.4.1. Raises AuthRejected unless the third party signed for the target."""
    if room.membership_of(target) == "ban":
        raise AuthRejected("The target is banned")
    signed = _object(event.content["third_party_invite"]).get("signed")
    slot = third_party_slot(event.content)
    if not isinstance(signed, dict) or "mxid" not in signed or slot is None:
        raise AuthRejected("The third-party invitation is not signed for anyone")
    if signed["mxid"] != target:
        raise AuthRejected("The third-party invitation is signed for somebody else")
    invitation = room.event(slot)
    if invitation is None:
        raise AuthRejected("The room has no such third-party invitation")
    if invitation.sender != event.sender:
        raise AuthRejected("The third-party invitation was made by somebody else")
    if not is_vouched_for(signed, invitation):
        raise AuthRejected("No signature of the third-party invitation is valid")


def is_vouched_for(signed: JsonObject, invitation: Event) -> bool:
    """Whether the third party of an `m.room.third_party_invite` signed this."""
    pairs = product(_signatures(signed), _public_keys(invitation.content))
    return any(_verifies(signed, *pair) for pair in islice(pairs, _MOST_VERIFICATIONS))


def _signatures(signed: JsonObject) -> Iterator[tuple[str, str]]:
    """Server names and key IDs."""
    for server_name, signatures in _object(signed.get("signatures")).items():
        for key_id in _object(signatures):
            if key_id.startswith(f"{ALGORITHM}:"):
                yield server_name, key_id


def _public_keys(content: JsonObject) -> Iterator[bytes]:
    others = content.get("public_keys")
    objects = [content, *(others if isinstance(others, list) else ())]
    for holder in objects:
        public_key = _object(holder).get("public_key")
        try:
            if isinstance(public_key, str):
                yield decode_base64(public_key)
        except ValueError:
            continue


def _verifies(signed: JsonObject, signature: tuple[str, str], public_key: bytes) -> bool:
    server_name, key_id = signature
    try:
        verify_json(signed, server_name, key_id, public_key)
    except SignatureInvalid:
        return False
    return True


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
