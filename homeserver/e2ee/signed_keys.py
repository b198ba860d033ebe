"""Keys as JSON objects with signatures, which come at different times from different places.

https://spec.matrix.org/v1.19/client-server-api/#key-and-signature-security
"""

from collections.abc import Mapping

from homeserver.protocol.errors import InvalidSignature
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject, NotCanonical, canonical_json, require_canonical
from homeserver.protocol.signing import ALGORITHM, SignatureInvalid, verify_json
from homeserver.protocol.unpadded_base64 import decode_base64

Signatures = Mapping[str, str]
"""Of one user, by the ID of the key that made them."""


def is_canonical(key: JsonObject) -> bool:
    """Whether it can be signed at all."""
    try:
        require_canonical(key)
    except NotCanonical:
        return False
    return True


def signatures_of(key: JsonObject, user_id: UserID) -> dict[str, str]:
    """Those that the user made; what is malformed is left out."""
    signatures = key.get("signatures")
    own = signatures.get(user_id) if isinstance(signatures, dict) else None
    if not isinstance(own, dict):
        return {}
    return {key_id: text for key_id, text in own.items() if isinstance(text, str)}


def signed_part(key: JsonObject) -> JsonObject:
    """What the signatures are about."""
    return {name: value for name, value in key.items() if name not in ("signatures", "unsigned")}


def with_signatures(key: JsonObject, user_id: UserID, signatures: Signatures) -> JsonObject:
    """The key with these signatures of one user, and nobody else's."""
    return {**signed_part(key), "signatures": {user_id: dict(signatures)}}


def merged(stored: JsonObject | None, new: JsonObject, owner: UserID) -> JsonObject:
    """`new` with the signatures of its owner, also those that `stored` has where it is the same key."""
    signatures = signatures_of(new, owner)
    if stored is not None and is_same_key(stored, new):
        signatures = {**signatures_of(stored, owner), **signatures}
    return with_signatures(new, owner, signatures)


def is_same_key(one: JsonObject, other: JsonObject) -> bool:
    """But for the signatures."""
    return canonical_json(signed_part(one)) == canonical_json(signed_part(other))


def check_signature(key: JsonObject, signer: UserID, key_id: str, public_key: str) -> None:
    """Raises InvalidSignature unless the signer signed with the key, which is given in Base64 too."""
    try:
        verify_json(key, signer, key_id, decode_base64(public_key))
    except (SignatureInvalid, ValueError) as error:
        raise InvalidSignature(f"The signature of {signer} by {key_id} is missing or wrong") from error


def ed25519(name: str) -> str:
    """The ID of an Ed25519 key: of a device, or of a cross-signing key by its public part."""
    return f"{ALGORITHM}:{name}"
