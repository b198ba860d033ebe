"""Messages that only one browser can read, from a server that its push service knows again.

https://www.rfc-editor.org/rfc/rfc8291 (encryption) and https://www.rfc-editor.org/rfc/rfc8292 (VAPID)
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from homeserver.runtime.randomness import Randomness

AUTH_BYTES = 16
MOST_PLAINTEXT = 3993
"""Bytes that fit into the 4096 which every push service takes (RFC 8291, section 4)."""

_RECORD_SIZE = 4096
_LAST_RECORD = b"\x02"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# A day is the most that RFC 8292 allows.
_TOKEN_SECONDS = 12 * 3600
_MOST_TOKENS = 100


@dataclass(frozen=True, slots=True)
class Subscription:
    """A browser's keys: `p256dh` is its public key as an uncompressed point, `auth` a secret of 16 bytes."""

    p256dh: bytes
    auth: bytes


def read_subscription(p256dh: str, auth: str) -> Subscription:
    """Both are URL-safe Base64 without padding. Raises ValueError."""
    found = Subscription(_decoded(p256dh), _decoded(auth))
    if len(found.auth) != AUTH_BYTES:
        raise ValueError(f"auth must have {AUTH_BYTES} bytes")
    EllipticCurvePublicKey.from_encoded_point(SECP256R1(), found.p256dh)
    return found


def private_key(secret: bytes) -> EllipticCurvePrivateKey:
    """Of any 32 bytes."""
    return derive_private_key(int.from_bytes(secret) % (_ORDER - 1) + 1, SECP256R1())


def public_bytes(key: EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encrypt(plaintext: bytes, to: Subscription, ephemeral: EllipticCurvePrivateKey, salt: bytes) -> bytes:
    """The body of a request with Content-Encoding: aes128gcm. Neither key nor salt must be used twice."""
    sender = public_bytes(ephemeral)
    receiver = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), to.p256dh)
    shared = ephemeral.exchange(ECDH(), receiver)
    material = _derived(to.auth, shared, b"WebPush: info\0" + to.p256dh + sender, 32)
    key = _derived(salt, material, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(salt, material, b"Content-Encoding: nonce\0", 12)
    header = salt + _RECORD_SIZE.to_bytes(4) + len(sender).to_bytes(1) + sender
    return header + AESGCM(key).encrypt(nonce, plaintext + _LAST_RECORD, None)


def encrypt_freshly(plaintext: bytes, to: Subscription, randomness: Randomness) -> bytes:
    return encrypt(plaintext, to, private_key(randomness.bytes(32)), randomness.bytes(16))


class Vapid:
    """Tells push services who this server is. Signing takes time, so a token serves for hours."""

    def __init__(self, key: EllipticCurvePrivateKey, contact: str) -> None:
        """`contact` is a URL, https: or mailto:, under which the operator can be reached."""
        self._key = key
        self._contact = contact
        self._tokens: dict[str, tuple[float, str]] = {}
        self.public_key = _encoded(public_bytes(key))
        """As browsers want it for a subscription."""

    def authorization(self, url: str, now: float) -> str:
        """The header for a request to a URL. `now` is in seconds since the epoch."""
        parts = urlsplit(url)
        audience = f"{parts.scheme}://{parts.netloc}"
        expires, token = self._tokens.get(audience, (0.0, ""))
        if expires - now < _TOKEN_SECONDS / 2:
            expires = now + _TOKEN_SECONDS
            claims = {"aud": audience, "exp": int(expires), "sub": self._contact}
            token = jwt.encode(claims, self._key, algorithm="ES256")
            if len(self._tokens) >= _MOST_TOKENS:
                self._tokens.clear()
            self._tokens[audience] = (expires, token)
        return f"vapid t={token}, k={self.public_key}"


def _derived(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(material)


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
