"""A browser's side of Web Push: https://www.rfc-editor.org/rfc/rfc8291 read the other way round."""

import hmac
from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePublicKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from homeserver.push.pushers.web_push_crypto import Subscription


class Browser:
    def __init__(self, secret: int = 12345) -> None:
        self._key = derive_private_key(secret, SECP256R1())
        public = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.subscription = Subscription(public, b"0123456789abcdef")
        self.p256dh = urlsafe_b64encode(public).decode().rstrip("=")
        self.auth = urlsafe_b64encode(self.subscription.auth).decode().rstrip("=")

    def decrypt(self, body: bytes) -> bytes:
        salt, record_size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(sealed) <= record_size, "one record"
        shared = self._key.exchange(ECDH(), EllipticCurvePublicKey.from_encoded_point(SECP256R1(), sender))
        info = b"WebPush: info\0" + self.subscription.p256dh + sender
        material = _hkdf(self.subscription.auth, shared, info, 32)
        key = _hkdf(salt, material, b"Content-Encoding: aes128gcm\0", 16)
        nonce = _hkdf(salt, material, b"Content-Encoding: nonce\0", 12)
        padded = AESGCM(key).decrypt(nonce, sealed, None)
        text, delimiter, padding = padded.rpartition(b"\x02")
        assert delimiter, "the last record has a delimiter"
        assert not padding.strip(b"\0"), "padding is of zeros"
        return text


def _hkdf(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    extracted = hmac.digest(salt, material, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")[:length]
