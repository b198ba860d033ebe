"""JSON as Matrix uses it. One library (msgspec) for reading, writing and canonical form.

https://spec.matrix.org/v1.19/appendices/#canonical-json
"""

from typing import Any, TypeAlias

import canonicaljson
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


def relaxed_canonical_json(value: JsonValue) -> bytes:
    """The same where the value may hold floats, as events of room versions 1 to 5 may.

    The specification does not say how to write floats; the network agreed on Python's way.
    """
    encoded: bytes = canonicaljson.encode_canonical_json(value)
    return encoded


class NotCanonical(ValueError):
    """The value has something in it that canonical JSON cannot express."""


def require_canonical(value: JsonValue) -> None:
    """Raises NotCanonical for floats, integers beyond ±(2**53 - 1), and nesting beyond reason."""
    try:
        _require_canonical(value)
    except RecursionError:
        raise NotCanonical("Nested too deeply") from None


def _require_canonical(value: JsonValue) -> None:
    kind = type(value)
    if kind is dict or kind is list:
        for item in value.values() if kind is dict else value:
            # Most values are text: not calling for them halves the time.
            if type(item) is not str:
                _require_canonical(item)
    elif kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise NotCanonical("An integer is out of range")
    elif kind is not str and kind is not bool and value is not None:
        raise NotCanonical("A number is not an integer")


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
