"""Server API: identity servers tell that an address that was invited belongs to a user now.

https://spec.matrix.org/v1.19/server-server-api/#third-party-invites
"""

import logging
from typing import Annotated

import msgspec

from homeserver.accounts.accounts import Accounts
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.errors import Forbidden, MatrixError
from homeserver.protocol.identifiers import UserID, parse_room_id, parse_user_id
from homeserver.protocol.json import JsonObject
from homeserver.rooms.third_party_invites import ThirdPartyInvites

log = logging.getLogger(__name__)

# Anybody can ask, and each may lead to a request to another server.
_MOST_INVITES = 100


class PendingInvite(msgspec.Struct):
    mxid: str
    room_id: str
    sender: str
    signed: JsonObject


class Binding(msgspec.Struct):
    mxid: str
    invites: Annotated[list[PendingInvite], msgspec.Meta(max_length=_MOST_INVITES)]


class ThirdPartyInviteEndpoints:
    """Nobody signs these requests; what is in them is signed by whom the rooms trust."""

    def __init__(self, invites: ThirdPartyInvites, accounts: Accounts) -> None:
        self._invites = invites
        self._accounts = accounts

    # COMPAT(synapse): identity servers send a POST, which it takes, although the specification has a PUT.
    @endpoint("POST", "/_matrix/federation/v1/3pid/onbind", auth=Auth.NONE, limit=Limit.NONE)
    async def on_bind_posted(self, body: Binding) -> JsonObject:
        """Invites a user to the rooms to which their address was invited."""
        return await self.on_bind(body)

    @endpoint("PUT", "/_matrix/federation/v1/3pid/onbind", auth=Auth.NONE, limit=Limit.NONE)
    async def on_bind(self, body: Binding) -> JsonObject:
        """Invites a user to the rooms to which their address was invited."""
        user_id = parse_user_id(body.mxid)
        account = await self._accounts.find(user_id)
        if account is None or account.deactivated_at is not None:
            raise Forbidden("There is no such user on this server")
        for invite in body.invites:
            await self._redeem(user_id, invite)
        return {}

    async def _redeem(self, user_id: UserID, invite: PendingInvite) -> None:
        try:
            room_id, sender = parse_room_id(invite.room_id), parse_user_id(invite.sender)
            await self._invites.redeem(sender, room_id, user_id, invite.signed)
        except MatrixError as error:
            # The identity server could do nothing about it, and the others must not wait for it.
            log.info("%s is not invited to %s by their address: %s", user_id, invite.room_id, error)
