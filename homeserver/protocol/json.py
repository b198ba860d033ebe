"""JSON as Matrix uses it. One library (msgspec) for reading, writing and canonical form.

https://spec.matrix.org/v1.19/appendices/#canonical-json
"""

from typing import Any, TypeAlias

import msgspec

# `Any` inside, because JSON from a peer is checked where it is used, not where it is named.
JsonValue: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Any]

# Canonical JSON sorts keys by code point; that is the order of their UTF-8 bytes, which this encoder uses.
_canonical = msgspec.json.Encoder(order="sorted")
_plain = msgspec.json.Encoder()

MAX_INTEGER = 2**53 - 1


def canonical_json(value: JsonValue) -> bytes:
    """The one byte form of a value that is hashed and signed."""
    return _canonical.encode(value)


def encode_json(value: JsonValue) -> bytes:
    """Any byte form of a value; `msgspec.Raw` inside it is copied as it is."""
    return _plain.encode(value)


def decode_json(data: bytes | bytearray | str) -> JsonValue:
    """The value of a JSON text.

    Raises ValueError where the text is not JSON, not UTF-8, nested beyond reason, or has NaN or infinity.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
