"""Who must have signed an event, and whether they did.

https://spec.matrix.org/v1.19/server-server-api/#validating-hashes-and-signatures-on-received-events
"""

import msgspec

from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.event import Event
from homeserver.protocol.hashes import essential_json
from homeserver.protocol.identifiers import ServerName, server_of
from homeserver.protocol.membership_auth import AUTHORISED_VIA
from homeserver.protocol.room_versions import EventIDForm
from homeserver.protocol.signing import EventSigner, SignatureInvalid, verify_signature


def required_signers(event: Event) -> frozenset[ServerName]:
    """The servers without whose valid signatures the event is dropped."""
    signers: list[str] = []
    if not _is_third_party_invite(event):
        signers.append(event.sender)
    if event.version.event_ids is EventIDForm.ASSIGNED:
        signers.append(event.event_id)
    if event.version.restricted and event.type == "m.room.member":
        authorising_user = event.content.get(AUTHORISED_VIA)
        if isinstance(authorising_user, str):
            signers.append(authorising_user)
    return frozenset(server for identifier in signers for server in _server_if_any(identifier))


def signed_json(event: Event) -> bytes:
    """What every signature of the event covers."""
    return essential_json(event.pdu(), event.version)


def verify_event(event: Event, server_name: ServerName, key_id: str, public_key: bytes) -> None:
    """Raises SignatureInvalid unless the server signed the event with the key."""
    signature = event.signatures.get(server_name, {}).get(key_id)
    if signature is None:
        raise SignatureInvalid(f"There is no signature of {server_name} by {key_id}")
    verify_signature(signed_json(event), signature, public_key)


def sign_event(event: Event, signer: EventSigner) -> Event:
    """The event with one signature more: of an invited user's server, or one that authorises a join."""
    name = signer.server_name
    own = {**event.signatures.get(name, {}), **signer.signatures(signed_json(event))[name]}
    return msgspec.structs.replace(event, signatures={**event.signatures, name: own})


def _is_third_party_invite(event: Event) -> bool:
    return event.membership == "invite" and "third_party_invite" in event.content


def _server_if_any(identifier: str) -> list[ServerName]:
    try:
        return [server_of(identifier)]
    except InvalidParam:
        # Such an event is valid by its signatures; the authorisation rules reject it.
        return []
