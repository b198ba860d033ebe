"""Server API: another server tells that an invited address belongs to a user of it.

https://spec.matrix.org/v1.19/server-server-api/#third-party-invites
"""

from typing import Literal

import msgspec

from federation.incoming.admission import Admission
from federation.incoming.edu_senders import check_is_of
from homeserver.accounts.domains import LocalDomains
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.errors import Forbidden, InvalidParam
from homeserver.protocol.identifiers import RoomID, ServerName, parse_user_id
from homeserver.protocol.json import JsonObject
from homeserver.rooms.third_party_invites import ThirdPartyInvites


class ThirdPartyInvite(msgspec.Struct):
    signed: JsonObject


class InviteContent(msgspec.Struct):
    membership: Literal["invite"]
    third_party_invite: ThirdPartyInvite


class Exchange(msgspec.Struct):
    """A part of the event that the invitation becomes."""

    type: Literal["m.room.member"]
    room_id: str
    sender: str
    state_key: str
    content: InviteContent


class ExchangeEndpoints:
    def __init__(self, invites: ThirdPartyInvites, admission: Admission, domains: LocalDomains) -> None:
        self._invites = invites
        self._admission = admission
        self._domains = domains

    @endpoint(
        "PUT",
        "/_matrix/federation/v1/exchange_third_party_invite/{room_id}",
        auth=Auth.SERVER,
        limit=Limit.FEDERATION,
    )
    async def exchange(self, origin: ServerName, room_id: RoomID, body: Exchange) -> JsonObject:
        """Invites the user whom somebody here had invited by an address."""
        if body.room_id != room_id:
            raise InvalidParam("The event is of another room")
        await self._admission.check(room_id, origin)
        inviter, invited = parse_user_id(body.sender), parse_user_id(body.state_key)
        check_is_of(origin, invited)
        if not self._domains.is_local(inviter):
            raise Forbidden("Nobody of this server has invited the user")
        await self._invites.redeem(inviter, room_id, invited, body.content.third_party_invite.signed)
        return {}
