"""Synapse's admin API: how fast single users may send events.

https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#override-ratelimiting-for-users
"""

from typing import Annotated

import msgspec

from config.rate_limits import RateLimit
from homeserver.accounts.accounts import Accounts
from homeserver.admin.account_moderation import AccountModeration
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject

_PATH = "/_synapse/admin/v1/users/{user_id}/override_ratelimit"

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class UserRateLimit(msgspec.Struct, frozen=True):
    """At 0 per second nothing is limited."""

    messages_per_second: _Count = 0
    burst_count: _Count = 0


class UserRateLimitEndpoints:
    """For administrators of the server."""

    def __init__(self, moderation: AccountModeration, accounts: Accounts) -> None:
        self._moderation = moderation
        self._accounts = accounts

    @endpoint("GET", _PATH, auth=Auth.ADMIN, limit=Limit.NONE)
    async def rate_limit(self, user_id: UserID) -> JsonObject:
        """Tells the user's own rate limit; {} where they have none."""
        own = (await self._moderation.account(user_id)).rate_limit
        return {} if own is None else _shown(own)

    @endpoint("POST", _PATH, auth=Auth.ADMIN, limit=Limit.NONE)
    async def set_rate_limit(self, user_id: UserID, body: UserRateLimit) -> UserRateLimit:
        """Gives a user a rate limit of their own."""
        await self._moderation.account(user_id)
        await self._accounts.set_rate_limit(user_id, body.messages_per_second, body.burst_count)
        return body

    @endpoint("DELETE", _PATH, auth=Auth.ADMIN, limit=Limit.NONE)
    async def remove_rate_limit(self, user_id: UserID) -> JsonObject:
        """Limits a user as all others."""
        await self._moderation.account(user_id)
        await self._accounts.set_rate_limit(user_id, None, None)
        return {}


def _shown(limit: RateLimit) -> JsonObject:
    return {"messages_per_second": int(limit.per_second), "burst_count": limit.burst}
