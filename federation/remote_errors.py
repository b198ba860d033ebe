"""What another server's refusal means here."""

import msgspec

from homeserver.http.outbound import Response
from homeserver.protocol.errors import (
    Forbidden,
    LimitExceeded,
    MatrixError,
    NotFound,
    RemoteFailed,
    Unknown,
    Unrecognized,
)
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject, JsonValue

_LONGEST_MESSAGE = 500
_DEFAULT_RETRY_MS = 30_000
_BY_STATUS: dict[int, type[MatrixError]] = {403: Forbidden, 404: NotFound}


def remote_error(server_name: ServerName, response: Response) -> MatrixError:
    """The error of an answer that is no success.

    RemoteFailed where the fault is with the other server, or with how this one spoke to it: a client that was told
    so in the other's words, such as M_UNKNOWN_TOKEN, would take them to be about itself.
    """
    body = _body(response)
    text = body.get("error")
    told = text[:_LONGEST_MESSAGE] if isinstance(text, str) else f"status {response.status}"
    if response.status == 429:
        retry_after = body.get("retry_after_ms")
        return LimitExceeded(
            f"{server_name}: {told}",
            retry_after_ms=retry_after if _is_count(retry_after) else _DEFAULT_RETRY_MS,
        )
    errcode = body.get("errcode")
    if errcode is None and response.status in (404, 405):
        # Of a proxy before a server that does not know the path.
        return Unrecognized(f"{server_name} does not know this request")
    if errcode == "M_UNRECOGNIZED":
        return Unrecognized(f"{server_name}: {told}")
    if response.status >= 500 or response.status == 401 or errcode is None:
        return RemoteFailed(f"{server_name} failed: {told}")
    kind = MatrixError.by_errcode.get(errcode) if isinstance(errcode, str) else None
    if kind is None:
        kind = _BY_STATUS.get(response.status, Unknown)
    if kind.status == 401 or kind.status >= 500 or kind.errcode.startswith("M_USER_"):
        return RemoteFailed(f"{server_name} failed: {told}")
    return kind(told, **_fields(body))


def _body(response: Response) -> JsonObject:
    try:
        return msgspec.json.decode(response.body, type=JsonObject)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}


def _fields(body: JsonObject) -> dict[str, JsonValue]:
    """The only one of use: https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1make_joinroomiduserid"""
    room_version = body.get("room_version")
    return {"room_version": room_version} if isinstance(room_version, str) else {}


def _is_count(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
