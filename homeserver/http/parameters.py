"""From the text of a request to the typed arguments of its endpoint."""

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec

from homeserver.http.endpoint import Endpoint, Form
from homeserver.protocol.errors import BadJson, InvalidParam, MatrixError, MissingParam, NotJson
from homeserver.protocol.identifiers import (
    RoomAlias,
    RoomID,
    UserID,
    parse_room_alias,
    parse_room_id,
    parse_user_id,
)
from homeserver.protocol.json import decode_json

# Path parameters of these types are checked against their grammar before the endpoint is called.
_PARSERS: Mapping[Any, Callable[[str], str]] = {
    UserID: parse_user_id,
    RoomID: parse_room_id,
    RoomAlias: parse_room_alias,
}


# No integer below 2**63 is longer; most bodies have no such run of digits.
# Sought in the body with each digit replaced by a 1, which takes a tenth of the time of a regular expression.
_LONG_NUMBER = b"1" * 19
_DIGITS_AS_ONES = bytes(
    ord("1") if chr(byte).isascii() and chr(byte).isdigit() else ord("0") for byte in range(256)
)


class ArgumentReader:
    """Decodes path, query and body for one endpoint; what can be prepared is prepared once."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._parsers = {
            name: _PARSERS[kind] for name, kind in endpoint.parameters.items() if kind in _PARSERS
        }
        self._query = endpoint.parameters.get("query")
        self._query_lists = _list_fields(self._query)
        self._body = _body_decoder(endpoint.parameters["body"]) if "body" in endpoint.parameters else None

    def read(self, path: dict[str, str], query: Mapping[bytes, list[bytes]], body: bytes) -> dict[str, Any]:
        """The keyword arguments. Raises InvalidParam, MissingParam, NotJson or BadJson."""
        arguments: dict[str, Any] = path
        for name, parse in self._parsers.items():
            arguments[name] = parse(path[name])
        if self._query is not None:
            arguments["query"] = self._read_query(query)
        if self._body is not None:
            if _LONG_NUMBER in body.translate(_DIGITS_AS_ONES):
                _check_integers(body)
            arguments["body"] = self._body(body)
        return arguments

    def _read_query(self, query: Mapping[bytes, list[bytes]]) -> Any:
        try:
            given = {name.decode(): [value.decode() for value in values] for name, values in query.items()}
        except UnicodeDecodeError as error:
            raise InvalidParam("The query string is not UTF-8") from error
        flat = {name: values if name in self._query_lists else values[-1] for name, values in given.items()}
        try:
            return msgspec.convert(flat, self._query, strict=False)
        except msgspec.ValidationError as error:
            raise _shape_error(error, InvalidParam) from error


def _list_fields(query: Any) -> frozenset[str]:
    if query is None or get_origin(query) is dict:
        return frozenset()
    return frozenset(field.encode_name for field in msgspec.structs.fields(query) if _is_list(field.type))


def _is_list(kind: Any) -> bool:
    if get_origin(kind) in (Union, UnionType):
        return any(_is_list(part) for part in get_args(kind))
    return get_origin(kind) in (list, tuple)


def _body_decoder(kind: Any) -> Callable[[bytes], Any]:
    if get_origin(kind) is dict or kind is dict:
        return _read_object
    if isinstance(kind, type) and issubclass(kind, Form):
        return lambda body: _read_form(body, kind)
    decoder = msgspec.json.Decoder(kind)
    may_be_empty = _accepts(decoder, b"{}")

    def read(body: bytes) -> Any:
        # Many clients send no body where every field is optional.
        text = body if body or not may_be_empty else b"{}"
        try:
            if not text.isascii():
                # Texts that no field takes are not looked at by the decoder.
                text.decode()
            return decoder.decode(text)
        except msgspec.ValidationError as error:
            raise _shape_error(error, BadJson) from error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise NotJson("The body is not JSON") from error

    return read


def _accepts(decoder: msgspec.json.Decoder[Any], text: bytes) -> bool:
    try:
        decoder.decode(text)
    except msgspec.ValidationError:
        return False
    return True


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        value = decode_json(body)
    except ValueError as error:
        raise NotJson("The body is not JSON") from error
    if not isinstance(value, dict):
        raise BadJson("The body must be a JSON object")
    return value


def _read_form(body: bytes, kind: type[Form]) -> Form:
    try:
        return msgspec.convert(dict(parse_qsl(body.decode())), kind, strict=False)
    except msgspec.ValidationError as error:
        raise _shape_error(error, InvalidParam) from error
    except ValueError as error:
        raise InvalidParam("The body is not a form") from error


def _check_integers(body: bytes) -> None:
    """Raises BadJson for integers of more than 64 bits, which could not be written again as they were."""
    try:
        values = [decode_json(body)]
    except ValueError:
        # Said by whoever decodes it.
        return
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values.extend(value.values())
        elif isinstance(value, list):
            values.extend(value)
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise BadJson("An integer is out of range")


def _shape_error(error: msgspec.ValidationError, otherwise: type[MatrixError]) -> MatrixError:
    text = str(error)
    kind = MissingParam if "missing required field" in text else otherwise
    return kind(text)
