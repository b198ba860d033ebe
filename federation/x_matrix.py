"""Requests between servers are signed, in the header `Authorization: X-Matrix …`.

https://spec.matrix.org/v1.19/server-server-api/#request-authentication
"""

import re
from dataclasses import dataclass

from homeserver.protocol.errors import InvalidParam, Unauthorized
from homeserver.protocol.identifiers import ServerName, parse_server_name
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.signing import SigningKey, sign_json

_SCHEME = re.compile(r"X-Matrix +", re.IGNORECASE)
# Colons belong into quotes, but older servers leave them bare: https://www.rfc-editor.org/rfc/rfc9110#section-11.2
_PARAMETER = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*"
    r"(?:\"((?:[^\"\\]|\\.)*)\"|([!#$%&'*+.^_`|~0-9A-Za-z:/=\[\]-]*))[ \t]*(?:,|$)"
)
_ESCAPED = re.compile(r"\\(.)")
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the header says. `destination` is None from servers that are older than v1.3 of the specification."""

    origin: ServerName
    destination: str | None
    key_id: str
    signature: str


def request_json(
    method: str, uri: str, origin: str, destination: str | None, content: JsonValue | None
) -> JsonObject:
    """What is signed. `uri` begins with /_matrix and has the query, exactly as it is sent."""
    signed: JsonObject = {"method": method, "uri": uri, "origin": origin}
    if destination is not None:
        signed["destination"] = destination
    if content is not None:
        signed["content"] = content
    return signed


def authorization(
    method: str,
    uri: str,
    origin: ServerName,
    destination: ServerName,
    key: SigningKey,
    content: JsonValue | None = None,
) -> str:
    """The header's value for a request that this server, `origin`, sends."""
    signed = sign_json(request_json(method, uri, origin, destination, content), origin, key)
    signature = signed["signatures"][origin][key.key_id]
    return f'X-Matrix origin="{origin}",destination="{destination}",key="{key.key_id}",sig="{signature}"'


def parse_authorization(header: str) -> Credentials:
    """Raises Unauthorized where it is of another scheme, malformed or incomplete."""
    scheme = _SCHEME.match(header)
    if scheme is None or len(header) > _LONGEST:
        raise Unauthorized("The request is not signed: Authorization: X-Matrix …")
    parameters = _parameters(header[scheme.end() :])
    try:
        origin, key_id, signature = (parameters[name] for name in ("origin", "key", "sig"))
    except KeyError as error:
        raise Unauthorized(f"The Authorization header lacks {error.args[0]}") from None
    try:
        return Credentials(parse_server_name(origin), parameters.get("destination"), key_id, signature)
    except InvalidParam as error:
        raise Unauthorized("The Authorization header's origin is not a server name") from error


def _parameters(text: str) -> dict[str, str]:
    """By their names in lower case."""
    parameters, position = {}, 0
    text = text.rstrip(" \t")
    while position < len(text):
        found = _PARAMETER.match(text, position)
        if found is None:
            raise Unauthorized("The Authorization header is malformed")
        name, quoted, bare = found.groups()
        parameters[name.lower()] = bare if quoted is None else _ESCAPED.sub(r"\1", quoted)
        position = found.end()
    return parameters
