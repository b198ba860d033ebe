"""Client API: logging in.

https://spec.matrix.org/v1.19/client-server-api/#legacy-login
"""

import msgspec

from config.passwords import Passwords
from config.rate_limits import RateLimit
from homeserver.accounts.password_login import NamedPassword, PasswordLogin
from homeserver.accounts.sessions import Sessions
from homeserver.accounts.signed_in import SignedIn, signed_in
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.limits import RateLimiter
from homeserver.protocol.errors import Unknown
from homeserver.protocol.identifiers import DeviceID
from homeserver.protocol.json import JsonObject

_PASSWORD = "m.login.password"


class LoginFlow(msgspec.Struct, frozen=True):
    type: str


class LoginFlows(msgspec.Struct, frozen=True):
    flows: list[LoginFlow]


class LoginBody(NamedPassword, frozen=True, kw_only=True):
    type: str
    device_id: DeviceID | None = None
    initial_device_display_name: str | None = None
    refresh_token: bool = False


class LoginEndpoints:
    """Sessions for those who have an account."""

    def __init__(
        self,
        passwords: PasswordLogin,
        sessions: Sessions,
        settings: Passwords,
        limiter: RateLimiter,
        limit: RateLimit,
        well_known: JsonObject | None,
    ) -> None:
        """`limit` is for each account. `well_known` is what /.well-known/matrix/client says, if anything."""
        self._passwords = passwords
        self._sessions = sessions
        self._settings = settings
        self._limiter = limiter
        self._limit = limit
        self._well_known = well_known

    @endpoint("GET", "/_matrix/client/(v3|r0)/login", auth=Auth.NONE, limit=Limit.NONE)
    async def login_flows(self) -> LoginFlows:
        """Lists the ways to log in."""
        return LoginFlows([LoginFlow(_PASSWORD)] if self._settings.for_login else [])

    @endpoint("POST", "/_matrix/client/(v3|r0)/login", auth=Auth.NONE, limit=Limit.LOGIN_PER_ADDRESS)
    async def login(self, body: LoginBody) -> SignedIn:
        """Begins a session on a new device, or on a known one in place of the session that it has."""
        if body.type != _PASSWORD or not self._settings.for_login:
            raise Unknown("This way of logging in is not offered")
        user = await self._passwords.check(body)
        self._limiter.check("login_per_account", self._limit, user.user_id)
        session = self._sessions.prepare(
            body.device_id, body.initial_device_display_name, refreshable=body.refresh_token
        )
        await self._sessions.begin(user.user_nid, session)
        return signed_in(user.user_id, session, self._well_known)
