"""Binary data in JSON: Base64 without padding, in the standard and the URL-safe alphabet.

https://spec.matrix.org/v1.19/appendices/#unpadded-base64
"""

import binascii

# Of bytes, as `str.translate` takes ten times as long.
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def encode_base64(data: bytes) -> str:
    return _encoded(data).decode("ascii")


def encode_urlsafe_base64(data: bytes) -> str:
    return _encoded(data).translate(_TO_URL_SAFE).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Either alphabet, padded or not, as others send it. Raises ValueError."""
    bare = text.encode("ascii").rstrip(b"=").translate(_FROM_URL_SAFE)
    return binascii.a2b_base64(bare + b"=" * (-len(bare) % 4), strict_mode=True)


def _encoded(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False).rstrip(b"=")
