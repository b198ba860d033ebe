"""The ways to log in that this server knows. Those of application services and of single sign-on join them."""

from homeserver.accounts.jwt_login import JwtUsers
from homeserver.accounts.login import LoginRequest, Proven
from homeserver.accounts.login_tokens import LoginTokens
from homeserver.accounts.password_login import PasswordLogin
from homeserver.http.endpoint import Caller
from homeserver.protocol.errors import MissingParam
from homeserver.protocol.json import JsonObject


class PasswordMethod:
    """https://spec.matrix.org/v1.19/client-server-api/#password-based"""

    type = "m.login.password"

    def __init__(self, passwords: PasswordLogin) -> None:
        self._passwords = passwords

    def flow(self) -> JsonObject:
        return {}

    async def prove(self, request: LoginRequest, caller: Caller) -> Proven:
        user = await self._passwords.check(request)
        return Proven(user.user_nid, user.user_id)


class TokenMethod:
    """https://spec.matrix.org/v1.19/client-server-api/#token-based"""

    type = "m.login.token"

    def __init__(self, tokens: LoginTokens) -> None:
        self._tokens = tokens

    def flow(self) -> JsonObject:
        # Clients that have a session can ask for such a token.
        return {"get_login_token": True}

    async def prove(self, request: LoginRequest, caller: Caller) -> Proven:
        return await self._tokens.redeem(_token(request))


class JwtMethod:
    """JSON Web Tokens of others, as with Synapse: https://element-hq.github.io/synapse/latest/jwt.html"""

    type = "org.matrix.login.jwt"

    def __init__(self, users: JwtUsers) -> None:
        self._users = users

    def flow(self) -> JsonObject:
        return {}

    async def prove(self, request: LoginRequest, caller: Caller) -> Proven:
        return await self._users.user_of(_token(request))


def _token(request: LoginRequest) -> str:
    if request.token is None:
        raise MissingParam("token is needed")
    return request.token
