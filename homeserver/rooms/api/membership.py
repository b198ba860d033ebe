"""Client API: joining, leaving, inviting and removing.

https://spec.matrix.org/v1.19/client-server-api/#room-membership
"""

from collections.abc import Sequence

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import MissingParam
from homeserver.protocol.identifiers import (
    RoomID,
    ServerName,
    UserID,
    parse_room_alias,
    parse_room_id,
    parse_user_id,
)
from homeserver.protocol.json import JsonObject
from homeserver.protocol.removals import REDACT_EVENTS
from homeserver.rooms.alias_lookup import AliasLookup
from homeserver.rooms.invited_addresses import InvitedAddress
from homeserver.rooms.membership import MembershipChanges
from homeserver.rooms.third_party_invites import ThirdPartyInvites

_ROOM = "/_matrix/client/(v3|r0)/rooms/{room_id}"


class Empty(msgspec.Struct):
    """An answer that says only that it was done."""


class Joined(msgspec.Struct):
    room_id: RoomID


class Reason(msgspec.Struct):
    reason: str | None = None


class ThirdPartySigned(msgspec.Struct):
    """What an identity server signed for somebody who reads the address that was invited."""

    sender: str
    mxid: str
    token: str
    signatures: JsonObject

    def signed(self) -> JsonObject:
        signed: JsonObject = msgspec.to_builtins(self)
        return signed


class Join(Reason):
    third_party_signed: ThirdPartySigned | None = None


class ViaQuery(msgspec.Struct):
    """Servers that are asked where nobody of this one is in the room. `server_name` is the older name."""

    via: list[str] = []
    server_name: list[str] = []

    def servers(self) -> list[str]:
        return [*self.via, *self.server_name]


class Target(msgspec.Struct):
    user_id: str
    reason: str | None = None

    def user(self) -> UserID:
        return parse_user_id(self.user_id)


class Removed(Target):
    redact_events: bool = msgspec.field(name=REDACT_EVENTS, default=False)
    """Whether all that the user sent is redacted (MSC4293)."""


class Invite(msgspec.Struct):
    """Either `user_id`, or the `address` of somebody who may have no account yet and where to ask for them."""

    user_id: str | None = None
    medium: str | None = None
    address: str | None = None
    id_server: str | None = None
    id_access_token: str | None = None
    reason: str | None = None

    def invited_address(self) -> InvitedAddress | None:
        """None where a user is invited. Raises MissingParam."""
        if self.address is self.medium is self.id_server is self.id_access_token is None:
            return None
        if self.address is None or self.medium is None:
            raise MissingParam("To invite by address, medium and address are needed")
        if self.id_server is None or self.id_access_token is None:
            raise MissingParam("To invite by address, id_server and id_access_token are needed")
        return InvitedAddress(self.id_server, self.id_access_token, self.medium, self.address)


class MembershipEndpoints:
    def __init__(
        self, changes: MembershipChanges, third_party_invites: ThirdPartyInvites, directory: AliasLookup
    ) -> None:
        self._changes = changes
        self._third_party_invites = third_party_invites
        self._directory = directory

    @endpoint(
        "POST",
        "/_matrix/client/(v3|r0)/join/{room_id_or_alias}",
        auth=Auth.GUEST,
        limit=Limit.JOINS_LOCAL,
        suspended=False,
    )
    async def join_by_name(
        self, requester: Requester, room_id_or_alias: str, query: ViaQuery, body: Join
    ) -> Joined:
        """Joins a room by its ID or alias."""
        room_id, servers = await self._found(room_id_or_alias)
        await self._join(requester, room_id, body, [*query.servers(), *servers])
        return Joined(room_id)

    @endpoint("POST", _ROOM + "/join", auth=Auth.GUEST, limit=Limit.JOINS_LOCAL, suspended=False)
    async def join(self, requester: Requester, room_id: RoomID, body: Join) -> Joined:
        """Joins a room by its ID."""
        await self._join(requester, room_id, body, ())
        return Joined(room_id)

    @endpoint(
        "POST",
        "/_matrix/client/(v3|r0)/knock/{room_id_or_alias}",
        "/_matrix/client/unstable/xyz.amorgan.knock/knock/{room_id_or_alias}",
        auth=Auth.USER,
        limit=Limit.JOINS_LOCAL,
        suspended=False,
    )
    async def knock(
        self, requester: Requester, room_id_or_alias: str, query: ViaQuery, body: Reason
    ) -> Joined:
        """Asks to be let into a room."""
        room_id, servers = await self._found(room_id_or_alias)
        via = [*query.servers(), *servers]
        await self._changes.knock(requester.user_id, room_id, body.reason, via=via)
        return Joined(room_id)

    @endpoint("POST", _ROOM + "/leave", auth=Auth.GUEST, limit=Limit.NONE)
    async def leave(self, requester: Requester, room_id: RoomID, body: Reason) -> Empty:
        """Leaves a room, rejects an invite or withdraws a knock."""
        await self._changes.leave(requester.user_id, room_id, body.reason)
        return Empty()

    @endpoint("POST", _ROOM + "/forget", auth=Auth.USER, limit=Limit.NONE)
    async def forget(self, requester: Requester, room_id: RoomID) -> Empty:
        """No longer shows a room that was left."""
        await self._changes.forget(requester.user_id, requester.user_nid, room_id)
        return Empty()

    @endpoint("POST", _ROOM + "/invite", auth=Auth.USER, limit=Limit.INVITES_PER_ISSUER, suspended=False)
    async def invite(self, requester: Requester, room_id: RoomID, body: Invite) -> Empty:
        """Invites a user, or whoever reads an address."""
        invited = body.invited_address()
        if invited is not None:
            await self._third_party_invites.invite(requester.user_id, room_id, invited, body.reason)
            return Empty()
        if body.user_id is None:
            raise MissingParam("user_id is needed")
        target = parse_user_id(body.user_id)
        await self._changes.invite(requester.user_id, room_id, target, body.reason)
        return Empty()

    @endpoint("POST", _ROOM + "/kick", auth=Auth.USER, limit=Limit.NONE, suspended=False)
    async def kick(self, requester: Requester, room_id: RoomID, body: Removed) -> Empty:
        """Removes a user, who may come back."""
        await self._changes.kick(
            requester.user_id, room_id, body.user(), body.reason, redacts=body.redact_events
        )
        return Empty()

    @endpoint("POST", _ROOM + "/ban", auth=Auth.USER, limit=Limit.NONE, suspended=False)
    async def ban(self, requester: Requester, room_id: RoomID, body: Removed) -> Empty:
        """Removes a user and keeps them out."""
        await self._changes.ban(
            requester.user_id, room_id, body.user(), body.reason, redacts=body.redact_events
        )
        return Empty()

    @endpoint("POST", _ROOM + "/unban", auth=Auth.USER, limit=Limit.NONE, suspended=False)
    async def unban(self, requester: Requester, room_id: RoomID, body: Target) -> Empty:
        """Lets a banned user be invited or join again."""
        await self._changes.unban(requester.user_id, room_id, body.user(), body.reason)
        return Empty()

    async def _join(self, requester: Requester, room_id: RoomID, body: Join, via: Sequence[str]) -> None:
        proof = body.third_party_signed
        if proof is not None:
            inviter = parse_user_id(proof.sender)
            await self._third_party_invites.redeem(inviter, room_id, requester.user_id, proof.signed())
        await self._changes.join(
            requester.user_id, room_id, body.reason, via=via, is_guest=requester.is_guest
        )

    async def _found(self, room_id_or_alias: str) -> tuple[RoomID, Sequence[ServerName]]:
        if room_id_or_alias.startswith("#"):
            return await self._directory.find(parse_room_alias(room_id_or_alias))
        return parse_room_id(room_id_or_alias), ()
