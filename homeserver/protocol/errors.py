"""Failures that are told to the peer, one class for each Matrix error code.

https://spec.matrix.org/v1.19/client-server-api/#standard-error-response
"""

from typing import ClassVar

from homeserver.protocol.json import JsonObject, JsonValue


class MatrixError(Exception):
    """A failure told to the peer as `{"errcode": ..., "error": ...}` with the HTTP status of its class.

    Raised anywhere, rendered in one place (`homeserver.http`), decoded from remote answers by `by_errcode`.
    """

    errcode: ClassVar[str] = "M_UNKNOWN"
    status: ClassVar[int] = 500
    by_errcode: ClassVar[dict[str, type["MatrixError"]]] = {}

    def __init_subclass__(cls) -> None:
        # The first class with an errcode is the one that decodes it.
        MatrixError.by_errcode.setdefault(cls.errcode, cls)

    def __init__(self, message: str, **fields: JsonValue) -> None:
        super().__init__(message)
        self.fields = fields

    def body(self) -> JsonObject:
        return {**self.fields, "errcode": self.errcode, "error": str(self)}


class Unrecognized(MatrixError):
    errcode, status = "M_UNRECOGNIZED", 404


class WrongMethod(MatrixError):
    errcode, status = "M_UNRECOGNIZED", 405


class NotJson(MatrixError):
    errcode, status = "M_NOT_JSON", 400


class BadJson(MatrixError):
    errcode, status = "M_BAD_JSON", 400


class ServerControlled(MatrixError):
    """Account data of a type that only the server writes."""

    errcode, status = "M_BAD_JSON", 405


class InvalidParam(MatrixError):
    errcode, status = "M_INVALID_PARAM", 400


class MissingParam(MatrixError):
    errcode, status = "M_MISSING_PARAM", 400


class TooLarge(MatrixError):
    errcode, status = "M_TOO_LARGE", 413


class MissingToken(MatrixError):
    errcode, status = "M_MISSING_TOKEN", 401


class UnknownToken(MatrixError):
    """`soft_logout: true` in `fields` tells the client to refresh, or to sign in again and keep its keys."""

    errcode, status = "M_UNKNOWN_TOKEN", 401


class Forbidden(MatrixError):
    errcode, status = "M_FORBIDDEN", 403


class NotFound(MatrixError):
    errcode, status = "M_NOT_FOUND", 404


class LimitExceeded(MatrixError):
    """`retry_after_ms` in `fields` also becomes the `Retry-After` header."""

    errcode, status = "M_LIMIT_EXCEEDED", 429


class UserInUse(MatrixError):
    errcode, status = "M_USER_IN_USE", 400


class InvalidUsername(MatrixError):
    errcode, status = "M_INVALID_USERNAME", 400


class ExclusiveNamespace(MatrixError):
    errcode, status = "M_EXCLUSIVE", 400


class UnknownDevice(MatrixError):
    """An application service names a device that its user does not have (MSC4326)."""

    errcode, status = "M_UNKNOWN_DEVICE", 400


class UserDeactivated(MatrixError):
    errcode, status = "M_USER_DEACTIVATED", 403


class UserLocked(MatrixError):
    """With `soft_logout: true` in `fields`, so that clients keep their keys until the account is unlocked."""

    errcode, status = "M_USER_LOCKED", 401


class UserSuspended(MatrixError):
    errcode, status = "M_USER_SUSPENDED", 403


class ConsentNotGiven(MatrixError):
    """`consent_uri` in `fields` is the page where the user can accept the terms."""

    errcode, status = "M_CONSENT_NOT_GIVEN", 403


class Unauthorized(MatrixError):
    errcode, status = "M_UNAUTHORIZED", 401


class WeakPassword(MatrixError):
    errcode, status = "M_WEAK_PASSWORD", 400


class PasswordTooShort(WeakPassword):
    errcode = "M_PASSWORD_TOO_SHORT"


class PasswordNoDigit(WeakPassword):
    errcode = "M_PASSWORD_NO_DIGIT"


class PasswordNoSymbol(WeakPassword):
    errcode = "M_PASSWORD_NO_SYMBOL"


class PasswordNoLowercase(WeakPassword):
    errcode = "M_PASSWORD_NO_LOWERCASE"


class PasswordNoUppercase(WeakPassword):
    errcode = "M_PASSWORD_NO_UPPERCASE"


class KeyTooLarge(MatrixError):
    errcode, status = "M_KEY_TOO_LARGE", 400


class ProfileTooLarge(MatrixError):
    errcode, status = "M_PROFILE_TOO_LARGE", 400


class RoomInUse(MatrixError):
    errcode, status = "M_ROOM_IN_USE", 400


class InvalidRoomState(MatrixError):
    errcode, status = "M_INVALID_ROOM_STATE", 400


class UnsupportedRoomVersion(MatrixError):
    errcode, status = "M_UNSUPPORTED_ROOM_VERSION", 400


class IncompatibleRoomVersion(MatrixError):
    errcode, status = "M_INCOMPATIBLE_ROOM_VERSION", 400


class BadState(MatrixError):
    errcode, status = "M_BAD_STATE", 400


class DuplicateAnnotation(MatrixError):
    errcode, status = "M_DUPLICATE_ANNOTATION", 400


class BadAlias(MatrixError):
    errcode, status = "M_BAD_ALIAS", 400


class GuestAccessForbidden(MatrixError):
    errcode, status = "M_GUEST_ACCESS_FORBIDDEN", 403


class UnableToAuthoriseJoin(MatrixError):
    errcode, status = "M_UNABLE_TO_AUTHORISE_JOIN", 400


class UnableToGrantJoin(MatrixError):
    errcode, status = "M_UNABLE_TO_GRANT_JOIN", 400


class InviteBlocked(MatrixError):
    errcode, status = "M_INVITE_BLOCKED", 403


class CannotLeaveServerNoticeRoom(MatrixError):
    errcode, status = "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM", 403


class ServerNotTrusted(MatrixError):
    errcode, status = "M_SERVER_NOT_TRUSTED", 401


class UnknownActivationToken(MatrixError):
    """MSC4174."""

    errcode, status = "M_UNKNOWN_ACTIVATION_TOKEN", 400


class ExpiredActivationToken(MatrixError):
    """MSC4174."""

    errcode, status = "M_EXPIRED_ACTIVATION_TOKEN", 400


class ThreepidDenied(MatrixError):
    errcode, status = "M_THREEPID_DENIED", 403


class ThreepidInUse(MatrixError):
    errcode, status = "M_THREEPID_IN_USE", 400


class ThreepidNotFound(MatrixError):
    errcode, status = "M_THREEPID_NOT_FOUND", 400


class ThreepidAuthFailed(MatrixError):
    errcode, status = "M_THREEPID_AUTH_FAILED", 400


class ThreepidMediumNotSupported(MatrixError):
    errcode, status = "M_THREEPID_MEDIUM_NOT_SUPPORTED", 400


class SessionNotValidated(MatrixError):
    errcode, status = "M_SESSION_NOT_VALIDATED", 400


class CaptchaNeeded(MatrixError):
    errcode, status = "M_CAPTCHA_NEEDED", 401


class CaptchaInvalid(MatrixError):
    errcode, status = "M_CAPTCHA_INVALID", 401


class InvalidSignature(MatrixError):
    errcode, status = "M_INVALID_SIGNATURE", 400


class WrongRoomKeysVersion(MatrixError):
    """`current_version` in `fields` is that of the newest backup."""

    errcode, status = "M_WRONG_ROOM_KEYS_VERSION", 403


class UserLimitExceeded(MatrixError):
    """`info_uri` in `fields` is where the user reads about the limit; `can_upgrade`, whether it can be raised."""

    errcode, status = "M_USER_LIMIT_EXCEEDED", 403


class ResourceLimitExceeded(MatrixError):
    """The request would cost more than the operator allows."""

    errcode, status = "M_RESOURCE_LIMIT_EXCEEDED", 400


class RemoteTooLarge(MatrixError):
    """As `TooLarge`, where it is another server's content that is."""

    errcode, status = "M_TOO_LARGE", 502


class NotYetUploaded(MatrixError):
    errcode, status = "M_NOT_YET_UPLOADED", 504


class CannotOverwriteMedia(MatrixError):
    errcode, status = "M_CANNOT_OVERWRITE_MEDIA", 409


class Unknown(MatrixError):
    """A refusal for which the specification has no code of its own."""

    errcode, status = "M_UNKNOWN", 400


class ServerUnavailable(MatrixError):
    """The server cannot do now what it will be able to do again."""

    errcode, status = "M_UNKNOWN", 503


class RemoteFailed(MatrixError):
    """Another server cannot be reached, or does not answer with what was asked for."""

    errcode, status = "M_UNKNOWN", 502


class RemoteUnreachable(RemoteFailed):
    """Another server cannot be reached at the moment."""


class UrlNotSet(MatrixError):
    """https://spec.matrix.org/v1.19/application-service-api/#pinging, as the next three."""

    errcode, status = "M_URL_NOT_SET", 400


class BadStatus(MatrixError):
    """`status` and `body` in `fields` are those of the answer."""

    errcode, status = "M_BAD_STATUS", 502


class ConnectionFailed(MatrixError):
    errcode, status = "M_CONNECTION_FAILED", 502


class ConnectionTimeout(MatrixError):
    errcode, status = "M_CONNECTION_TIMEOUT", 504


class AliasInUse(MatrixError):
    """As `RoomInUse`, where the specification asks for this status and code."""

    errcode, status = "M_UNKNOWN", 409
