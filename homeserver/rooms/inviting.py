"""Whom somebody may invite, as far as the room's rules do not say: limits, and what the invited want.

https://spec.matrix.org/v1.19/client-server-api/#invite-permission and #ignoring-users
"""

from config.rate_limits import RateLimits
from homeserver.account_data.contents import AccountData
from homeserver.account_data.store import NO_ROOM, ContentKey
from homeserver.accounts.domains import LocalDomains
from homeserver.http.limits import RateLimiter
from homeserver.protocol.errors import InviteBlocked
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.invite_permission import PERMISSION_TYPES, blocks
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.rooms.asked_of_services import NOTHING_ON_DEMAND, MadeOnDemand
from homeserver.storage.dictionary import Dictionary


class Inviting:
    """Asked before an invitation is sent."""

    def __init__(
        self,
        account_data: AccountData,
        users: Dictionary[UserID],
        domains: LocalDomains,
        limiter: RateLimiter,
        limits: RateLimits,
        on_demand: MadeOnDemand = NOTHING_ON_DEMAND,
    ) -> None:
        self._account_data = account_data
        self._users = users
        self._domains = domains
        self._limiter = limiter
        self._limits = limits
        self._on_demand = on_demand

    async def check(self, sender: UserID, room_id: RoomID, target: UserID) -> None:
        """Raises LimitExceeded, InviteBlocked. What users of other servers want, their servers say."""
        await self.check_target(sender, target)
        self._limiter.check("invites_per_room", self._limits.invites_per_room, room_id)

    async def check_target(self, sender: UserID, target: UserID) -> None:
        """As `check`, for a room that does not exist yet."""
        if self._domains.is_local(target):
            await self._on_demand.make_user(target)
            await self._check_wanted(sender, target)
        self._limiter.check("invites_per_user", self._limits.invites_per_user, target)

    async def _check_wanted(self, sender: UserID, target: UserID) -> None:
        nid = await self._users.nid_of(target)
        for type_ in PERMISSION_TYPES:
            stored = await self._account_data.content(ContentKey(nid, NO_ROOM, type_))
            content: JsonObject = {} if stored is None else decode_json(stored)
            if blocks(type_, content, sender):
                raise InviteBlocked(f"{target} does not want to be invited")
