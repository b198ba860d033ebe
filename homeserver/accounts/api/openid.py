"""Client API and federation API: proving to other services who a user is.

https://spec.matrix.org/v1.19/client-server-api/#openid
"""

from datetime import timedelta

import msgspec

from homeserver.accounts.openid import LIFETIME, OpenIdTokens
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, UnknownToken
from homeserver.protocol.identifiers import ServerName, UserID, server_of
from homeserver.protocol.json import JsonObject


class OpenIdToken(msgspec.Struct, frozen=True):
    access_token: str
    matrix_server_name: ServerName
    expires_in: int
    token_type: str = "Bearer"


class UserInfoQuery(msgspec.Struct, frozen=True):
    access_token: str | None = None


class UserInfo(msgspec.Struct, frozen=True):
    sub: UserID


class OpenIdEndpoints:
    """The user asks for a token, gives it to a service, and the service asks whose it is."""

    def __init__(self, tokens: OpenIdTokens) -> None:
        self._tokens = tokens

    @endpoint(
        "POST",
        "/_matrix/client/(v3|r0)/user/{user_id}/openid/request_token",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def request_token(self, requester: Requester, user_id: UserID, body: JsonObject) -> OpenIdToken:
        """Gives a token by which a service learns who the requester is."""
        if user_id != requester.user_id:
            raise Forbidden("This is another user")
        token = await self._tokens.issue(requester.user_nid)
        return OpenIdToken(token, server_of(user_id), LIFETIME // timedelta(seconds=1))

    # The token is in the query as the specification wants it; it is no access token of a client.
    @endpoint("GET", "/_matrix/federation/v1/openid/userinfo", auth=Auth.NONE, limit=Limit.NONE)
    async def user_info(self, query: UserInfoQuery) -> UserInfo:
        """Tells whose token it is."""
        if query.access_token is None:
            raise UnknownToken("access_token is needed")
        return UserInfo(await self._tokens.user_of(query.access_token))
