"""Ed25519 signatures over canonical JSON, and the keys that make them.

https://spec.matrix.org/v1.19/appendices/#signing-json
"""

import re
from dataclasses import dataclass, field

from nacl import bindings
from nacl.exceptions import CryptoError

from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject, relaxed_canonical_json
from homeserver.protocol.unpadded_base64 import decode_base64, encode_base64

ALGORITHM = "ed25519"
_VERSION = re.compile(r"[A-Za-z0-9_]+")
_SEED_BYTES = 32
_SIGNATURE_BYTES = 64


class SignatureInvalid(Exception):
    """A signature that is missing, malformed or wrong."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One of a server's Ed25519 keys. `seed` is 32 bytes of randomness; whoever has it can sign.

    Raises ValueError where the version or the seed cannot be.
    """

    version: str
    seed: bytes = field(repr=False)
    public_key: bytes = field(init=False)
    _secret: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if _VERSION.fullmatch(self.version) is None:
            raise ValueError("The version of a signing key consists of A-Z, a-z, 0-9 and _")
        if len(self.seed) != _SEED_BYTES:
            raise ValueError(f"The seed of a signing key has {_SEED_BYTES} bytes, not {len(self.seed)}")
        public_key, secret = bindings.crypto_sign_seed_keypair(self.seed)
        object.__setattr__(self, "public_key", public_key)
        object.__setattr__(self, "_secret", secret)

    @property
    def algorithm(self) -> str:
        return ALGORITHM

    @property
    def key_id(self) -> str:
        return f"{ALGORITHM}:{self.version}"

    def sign(self, message: bytes) -> str:
        """The signature in unpadded Base64."""
        return encode_base64(bindings.crypto_sign(message, self._secret)[:_SIGNATURE_BYTES])


@dataclass(frozen=True, slots=True)
class EventSigner:
    """The signing identity of one server."""

    server_name: ServerName
    key: SigningKey

    def signatures(self, message: bytes) -> JsonObject:
        """The `signatures` object over `message`."""
        return {self.server_name: {self.key.key_id: self.key.sign(message)}}


def parse_key_file(text: str) -> SigningKey:
    """The key of a file `ed25519 VERSION SEED`, as Synapse writes it. Raises ValueError."""
    words = text.split()
    if len(words) != 3:
        raise ValueError("A signing key file has one line: ed25519, a version and a seed in Base64")
    algorithm, version, seed = words
    if algorithm != ALGORITHM:
        raise ValueError(f"The signing key's algorithm is {algorithm!r}; only {ALGORITHM!r} is known")
    try:
        decoded = decode_base64(seed)
    except ValueError:
        # Its own words could quote the seed.
        raise ValueError("The seed of the signing key is not Base64") from None
    return SigningKey(version, decoded)


def format_key_file(key: SigningKey) -> str:
    return f"{ALGORITHM} {key.version} {encode_base64(key.seed)}\n"


def sign_json(value: JsonObject, server_name: ServerName, key: SigningKey) -> JsonObject:
    """A copy of `value` with one signature more. Raises ValueError where it is not canonical JSON."""
    others = value.get("signatures", {})
    own = {**others.get(server_name, {}), key.key_id: key.sign(_signed_bytes(value))}
    return {**value, "signatures": {**others, server_name: own}}


def verify_json(value: JsonObject, server_name: str, key_id: str, public_key: bytes) -> None:
    """Raises SignatureInvalid unless `server_name` signed `value` with the key."""
    try:
        signature = value["signatures"][server_name][key_id]
    except (KeyError, TypeError):
        raise SignatureInvalid(f"There is no signature of {server_name} by {key_id}") from None
    try:
        message = _signed_bytes(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise SignatureInvalid(f"The signed object is not canonical JSON: {error}") from None
    verify_signature(message, signature, public_key)


def verify_signature(message: bytes, signature: object, public_key: bytes) -> None:
    """Raises SignatureInvalid unless `signature`, in Base64, is that of `message` by the key."""
    if not isinstance(signature, str):
        raise SignatureInvalid("The signature is not a string")
    try:
        decoded = decode_base64(signature)
    except ValueError:
        raise SignatureInvalid("The signature is not Base64") from None
    # The binding takes them as one, so that a short signature would borrow bytes from the message.
    if len(decoded) != _SIGNATURE_BYTES:
        raise SignatureInvalid(f"The signature does not have {_SIGNATURE_BYTES} bytes")
    try:
        bindings.crypto_sign_open(decoded + message, public_key)
    except (CryptoError, ValueError, TypeError):
        raise SignatureInvalid("The signature is wrong") from None


def _signed_bytes(value: JsonObject) -> bytes:
    # Relaxed, as requests and old events that hold floats are signed too.
    signed = {key: item for key, item in value.items() if key not in {"signatures", "unsigned"}}
    return relaxed_canonical_json(signed)
