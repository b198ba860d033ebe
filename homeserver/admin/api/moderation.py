"""Client API: locking and suspending accounts.

https://spec.matrix.org/v1.19/client-server-api/#server-administration
"""

import msgspec

from homeserver.admin.account_moderation import AccountModeration
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import UserID

_LOCK = (
    "/_matrix/client/v1/admin/lock/{user_id}",
    "/_matrix/client/unstable/uk.timedout.msc4323/admin/lock/{user_id}",
)
_SUSPEND = (
    "/_matrix/client/v1/admin/suspend/{user_id}",
    "/_matrix/client/unstable/uk.timedout.msc4323/admin/suspend/{user_id}",
)


class Locked(msgspec.Struct, frozen=True):
    locked: bool


class Suspended(msgspec.Struct, frozen=True):
    suspended: bool


class AccountModerationEndpoints:
    """For administrators of the server; whether they may is settled before any account is looked up."""

    def __init__(self, moderation: AccountModeration) -> None:
        self._moderation = moderation

    @endpoint("GET", *_LOCK, auth=Auth.ADMIN, limit=Limit.NONE)
    async def lock(self, requester: Requester, user_id: UserID) -> Locked:
        """Tells whether an account is locked."""
        return Locked((await self._moderation.account(user_id)).locked_at is not None)

    @endpoint("PUT", *_LOCK, auth=Auth.ADMIN, limit=Limit.NONE)
    async def set_lock(self, requester: Requester, user_id: UserID, body: Locked) -> Locked:
        """Locks or unlocks an account."""
        await self._moderation.set_locked(requester, user_id, body.locked)
        return body

    @endpoint("GET", *_SUSPEND, auth=Auth.ADMIN, limit=Limit.NONE)
    async def suspension(self, requester: Requester, user_id: UserID) -> Suspended:
        """Tells whether an account is suspended."""
        return Suspended((await self._moderation.account(user_id)).suspended_at is not None)

    @endpoint("PUT", *_SUSPEND, auth=Auth.ADMIN, limit=Limit.NONE)
    async def set_suspension(self, requester: Requester, user_id: UserID, body: Suspended) -> Suspended:
        """Suspends an account or lets it go on."""
        await self._moderation.set_suspended(requester, user_id, body.suspended)
        return body
