"""What another server's refusal means here."""

import msgspec

from homeserver.http.outbound import Response
from homeserver.protocol.errors import (
    Forbidden,
    LimitExceeded,
    MatrixError,
    NotFound,
    NotYetUploaded,
    RemoteFailed,
    TooLarge,
    Unknown,
    Unrecognized,
)
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject, JsonValue

_LONGEST_MESSAGE = 500
_DEFAULT_RETRY_MS = 30_000
# No faults of the server, although their statuses say so.
_OF_MEDIA: dict[str, type[MatrixError]] = {
    "M_NOT_YET_UPLOADED": NotYetUploaded,
    "M_TOO_LARGE": TooLarge,
}
_BY_STATUS: dict[int, type[MatrixError]] = {403: Forbidden, 404: NotFound}


def remote_error(server_name: ServerName, response: Response) -> MatrixError:
    """The error of an answer that is no success.

    RemoteFailed where the fault is with the other server, or with how this one spoke to it: a client that was told
    so in the other's words, such as M_UNKNOWN_TOKEN, would take them to be about itself.
    """
    body = _body(response)
    text = body.get("error")
    told = text[:_LONGEST_MESSAGE] if isinstance(text, str) else f"status {response.status}"
    kind = _kind(response.status, body.get("errcode"))
    if kind is LimitExceeded:
        retry_after = body.get("retry_after_ms")
        wait = retry_after if _is_count(retry_after) else _DEFAULT_RETRY_MS
        return LimitExceeded(f"{server_name}: {told}", retry_after_ms=wait)
    if kind in (RemoteFailed, Unrecognized):
        return kind(f"{server_name}: {told}")
    return kind(told, **_fields(body))


def _kind(status: int, errcode: JsonValue) -> type[MatrixError]:
    if status == 429:
        return LimitExceeded
    # A status alone comes from a proxy before a server that does not know the path.
    if errcode == "M_UNRECOGNIZED" or (errcode is None and status in (404, 405)):
        return Unrecognized
    if isinstance(errcode, str) and errcode in _OF_MEDIA:
        return _OF_MEDIA[errcode]
    if status >= 500 or status == 401 or not isinstance(errcode, str):
        return RemoteFailed
    kind = MatrixError.by_errcode.get(errcode) or _BY_STATUS.get(status, Unknown)
    is_of_users = kind.status == 401 or kind.errcode.startswith("M_USER_")
    return RemoteFailed if is_of_users or kind.status >= 500 else kind


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
