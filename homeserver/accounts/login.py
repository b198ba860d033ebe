"""Logging in, by whichever way.

https://spec.matrix.org/v1.19/client-server-api/#legacy-login
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from config.rate_limits import RateLimit
from homeserver.accounts.password_login import NamedPassword
from homeserver.accounts.sessions import PreparedSession, Sessions
from homeserver.http.endpoint import Caller
from homeserver.http.limits import RateLimiter
from homeserver.protocol.errors import Unknown
from homeserver.protocol.identifiers import DeviceID, UserID
from homeserver.protocol.json import JsonObject


class LoginRequest(NamedPassword, frozen=True, kw_only=True):
    """The body of POST /login; which fields count depends on its type."""

    type: str
    token: str | None = None
    device_id: DeviceID | None = None
    initial_device_display_name: str | None = None
    refresh_token: bool = False


class Proven(NamedTuple):
    """Somebody who has shown who they are."""

    user_nid: int
    user_id: UserID


class LoginMethod(Protocol):
    """One way to log in."""

    type: str

    def flow(self) -> JsonObject:
        """What is told of it besides its type."""

    async def prove(self, request: LoginRequest, caller: Caller) -> Proven:
        """Who it is. Raises Forbidden where that was not shown, and other MatrixErrors."""


class Login:
    """Begins sessions for those who show by one of the `methods` who they are."""

    def __init__(
        self, methods: Sequence[LoginMethod], sessions: Sessions, limiter: RateLimiter, limit: RateLimit
    ) -> None:
        """`limit` is for each account."""
        self._methods = {method.type: method for method in methods}
        self._sessions = sessions
        self._limiter = limiter
        self._limit = limit

    def flows(self) -> list[JsonObject]:
        return [{"type": method.type, **method.flow()} for method in self._methods.values()]

    async def log_in(self, request: LoginRequest, caller: Caller) -> tuple[UserID, PreparedSession]:
        """Raises Unknown for a way that is not offered, and what `LoginMethod.prove` and `Sessions.begin` do."""
        method = self._methods.get(request.type)
        if method is None:
            raise Unknown("This way of logging in is not offered")
        user = await method.prove(request, caller)
        self._limiter.check("login_per_account", self._limit, user.user_id)
        session = self._sessions.prepare(
            request.device_id, request.initial_device_display_name, refreshable=request.refresh_token
        )
        await self._sessions.begin(user.user_nid, session)
        return user.user_id, session
