"""Client API: logging in.

https://spec.matrix.org/v1.19/client-server-api/#legacy-login
"""

import msgspec

from homeserver.accounts.login import Login, LoginRequest
from homeserver.accounts.login_tokens import LoginTokens
from homeserver.accounts.reauthentication import Reauthentication
from homeserver.accounts.signed_in import SignedIn, signed_in
from homeserver.http.endpoint import Auth, Caller, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Unknown
from homeserver.protocol.json import JsonObject


class LoginFlows(msgspec.Struct, frozen=True):
    flows: list[JsonObject]


class LoginEndpoints:
    """Sessions for those who have an account."""

    def __init__(self, login: Login, well_known: JsonObject | None) -> None:
        """`well_known` is what /.well-known/matrix/client says, if anything."""
        self._login = login
        self._well_known = well_known

    @endpoint("GET", "/_matrix/client/(v3|r0)/login", auth=Auth.NONE, limit=Limit.NONE)
    async def login_flows(self) -> LoginFlows:
        """Lists the ways to log in."""
        return LoginFlows(self._login.flows())

    @endpoint("POST", "/_matrix/client/(v3|r0)/login", auth=Auth.NONE, limit=Limit.LOGIN_PER_ADDRESS)
    async def login(self, caller: Caller, body: LoginRequest) -> SignedIn:
        """Begins a session on a new device, or on a known one in place of the session that it has."""
        user_id, session = await self._login.log_in(body, caller)
        return signed_in(user_id, session, self._well_known)


class TokenWish(msgspec.Struct, frozen=True):
    auth: JsonObject | None = None


class LoginToken(msgspec.Struct, frozen=True):
    login_token: str
    expires_in_ms: int


class LoginTokenEndpoints:
    """Signing in on a further device by one that is signed in: /#post_matrixclientv1loginget_token"""

    def __init__(self, tokens: LoginTokens | None, reauthentication: Reauthentication | None) -> None:
        """Without `tokens` they are not given out; without `reauthentication` nobody proves again who they are."""
        self._tokens = tokens
        self._reauthentication = reauthentication

    @endpoint("POST", "/_matrix/client/v1/login/get_token", auth=Auth.USER, limit=Limit.NONE)
    async def get_token(self, requester: Requester, body: TokenWish) -> LoginToken:
        """Gives a token that logs the requester in once, on another device."""
        if self._tokens is None:
            raise Unknown("Login tokens are not given out on this server")
        if self._reauthentication is not None:
            await self._reauthentication.require(requester, "POST /login/get_token", body, body.auth)
        return LoginToken(*await self._tokens.issue(requester.user_nid))
