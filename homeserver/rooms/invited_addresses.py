"""E-mail addresses and phone numbers that somebody invites: whom they belong to, and what keeps a place for them.

https://spec.matrix.org/v1.19/client-server-api/#third-party-invites
"""

from collections.abc import Mapping

import msgspec

from config.rate_limits import RateLimit
from homeserver.accounts.address import parse_address
from homeserver.accounts.identity_servers import IdentityServers, StoredInvitation
from homeserver.accounts.profile import Profile
from homeserver.accounts.profiles import Profiles
from homeserver.http.limits import RateLimiter
from homeserver.protocol.errors import ThreepidDenied
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject
from homeserver.rooms.head import Head, Heads

TYPE = "m.room.third_party_invite"

_CREATE = ("m.room.create", "")
# What an identity server is told of a room: the event's key, and the name it has there.
_TOLD = {
    ("m.room.canonical_alias", ""): ("alias", "room_alias"),
    ("m.room.avatar", ""): ("url", "room_avatar_url"),
    ("m.room.join_rules", ""): ("join_rule", "room_join_rules"),
    ("m.room.name", ""): ("name", "room_name"),
    _CREATE: ("type", "room_type"),
}


class InvitedAddress(msgspec.Struct, frozen=True):
    """An address, and the identity server that the inviting user wants to be asked about it."""

    id_server: str
    id_access_token: str
    medium: str
    address: str


class InvitedAddresses:
    """Asks identity servers in the name of users who invite.

    All raise what `IdentityServers.lookup` does.
    """

    def __init__(
        self,
        identity_servers: IdentityServers,
        heads: Heads,
        profiles: Profiles,
        limiter: RateLimiter,
        limit: RateLimit,
        *,
        enabled: bool,
    ) -> None:
        self._identity_servers = identity_servers
        self._heads = heads
        self._profiles = profiles
        self._limiter = limiter
        self._limit = limit
        self._enabled = enabled

    async def owner(self, inviter: UserID, invited: InvitedAddress) -> UserID | None:
        """Whom the address belongs to, as far as is published.

        Addresses that users gave this server, but nobody else, are their secret. Raises ThreepidDenied where the
        operator wants nobody to be invited so, LimitExceeded, InvalidParam.
        """
        if not self._enabled:
            raise ThreepidDenied("Nobody is invited by their address on this server")
        address = parse_address(invited.medium, invited.address)
        # Before anything is told to anybody.
        self._limiter.check("third_party_invite", self._limit, inviter)
        return await self._identity_servers.lookup(invited.id_server, invited.id_access_token, address)

    async def invitation(
        self, inviter: UserID, head: Head, invited: InvitedAddress
    ) -> tuple[str, JsonObject]:
        """For an address that belongs to nobody yet: the state key and content of an `m.room.third_party_invite`.

        The identity server writes to the address.
        """
        stored = await self._identity_servers.store_invitation(
            invited.id_server,
            invited.id_access_token,
            parse_address(invited.medium, invited.address),
            {**await self._shown(head), **await self._sender(inviter)},
        )
        return stored.token, _content(stored)

    async def _shown(self, head: Head) -> JsonObject:
        await self._heads.load(head, _TOLD)
        told: JsonObject = {"room_id": head.room_id}
        for slot, (key, name) in _TOLD.items():
            event = head.get(slot)
            value = None if event is None else event.content.get(key)
            if isinstance(value, str):
                told[name] = value
        return told

    async def _sender(self, inviter: UserID) -> Mapping[str, str]:
        profile = await self._profiles.get(inviter) or Profile()
        shown = {"sender_display_name": profile.displayname, "sender_avatar_url": profile.avatar_url}
        return {"sender": inviter, **{name: value for name, value in shown.items() if value}}


def _content(stored: StoredInvitation) -> JsonObject:
    """https://spec.matrix.org/v1.19/client-server-api/#mroomthird_party_invite"""
    keys = [
        {"public_key": key.public_key, "key_validity_url": key.key_validity_url} for key in stored.public_keys
    ]
    # The first one stands outside of the list for those who do not know the list.
    return {"display_name": stored.display_name, "public_keys": keys, **keys[0]}
