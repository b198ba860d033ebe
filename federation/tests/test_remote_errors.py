import json

import pytest

from federation.remote_errors import remote_error
from homeserver.http.outbound import Response
from homeserver.protocol.errors import (
    Forbidden,
    IncompatibleRoomVersion,
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

A = ServerName("a.example")


def error(status: int, body: object) -> MatrixError:
    return remote_error(
        A, Response(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())
    )


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, {"errcode": "M_FORBIDDEN", "error": "no"}, Forbidden),
        (404, {"errcode": "M_NOT_FOUND"}, NotFound),
        (400, {"errcode": "M_INCOMPATIBLE_ROOM_VERSION", "room_version": "9"}, IncompatibleRoomVersion),
        (403, {"errcode": "M_OF_TOMORROW"}, Forbidden),
        (404, {"errcode": "M_OF_TOMORROW"}, NotFound),
        (400, {"errcode": "M_OF_TOMORROW"}, Unknown),
        (400, {"errcode": 5}, RemoteFailed),
        # Servers and proxies that do not know the path.
        (404, b"<html>", Unrecognized),
        (405, b"", Unrecognized),
        (404, {"errcode": "M_UNRECOGNIZED"}, Unrecognized),
        (400, {"errcode": "M_UNRECOGNIZED"}, Unrecognized),
        # What a client would take to be about itself.
        (401, {"errcode": "M_UNKNOWN_TOKEN", "soft_logout": True}, RemoteFailed),
        (401, {"errcode": "M_UNAUTHORIZED"}, RemoteFailed),
        (403, {"errcode": "M_UNKNOWN_TOKEN"}, RemoteFailed),
        (403, {"errcode": "M_USER_DEACTIVATED"}, RemoteFailed),
        (403, {"errcode": "M_USER_LOCKED"}, RemoteFailed),
        # Of media.
        (504, {"errcode": "M_NOT_YET_UPLOADED"}, NotYetUploaded),
        (502, {"errcode": "M_TOO_LARGE"}, TooLarge),
        # The other server's own faults.
        (500, {"errcode": "M_FORBIDDEN"}, RemoteFailed),
        (502, b"Bad gateway", RemoteFailed),
        (400, b"[]", RemoteFailed),
        (400, b"[" * 100_000, RemoteFailed),
        (302, b"", RemoteFailed),
    ],
)
def test_kinds(status: int, body: object, kind: type[MatrixError]) -> None:
    assert type(error(status, body)) is kind


def test_what_else_is_told() -> None:
    refused = error(
        400, {"errcode": "M_INCOMPATIBLE_ROOM_VERSION", "error": "x" * 9999, "room_version": "9", "a": 1}
    )
    assert refused.fields == {"room_version": "9"}
    assert len(str(refused)) == 500


@pytest.mark.parametrize(
    ("given", "told"), [(5, 5), (None, 30_000), ("x", 30_000), (-1, 30_000), (2**60, 30_000)]
)
def test_too_fast(given: object, told: int) -> None:
    refused = error(429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": given})
    assert isinstance(refused, LimitExceeded)
    assert refused.fields == {"retry_after_ms": told}
