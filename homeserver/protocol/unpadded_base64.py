"""Binary data in JSON: Base64 without padding, in the standard and the URL-safe alphabet.

https://spec.matrix.org/v1.19/appendices/#unpadded-base64
"""

import binascii

_TO_URL_SAFE = str.maketrans("+/", "-_")
_FROM_URL_SAFE = str.maketrans("-_", "+/")


def encode_base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").decode("ascii")


def encode_urlsafe_base64(data: bytes) -> str:
    return encode_base64(data).translate(_TO_URL_SAFE)


def decode_base64(text: str) -> bytes:
    """Either alphabet, padded or not, as others send it. Raises ValueError."""
    bare = text.rstrip("=").translate(_FROM_URL_SAFE)
    return binascii.a2b_base64(bare + "=" * (-len(bare) % 4), strict_mode=True)
