"""Server API: invitations of users of this server.

https://spec.matrix.org/v1.19/server-server-api/#inviting-to-a-room
"""

from typing import Any, Literal

import msgspec

from federation.incoming.invites import ReceivedInvites
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.identifiers import EventID, RoomID, ServerName
from homeserver.protocol.json import JsonObject

# The older way names no room version, and later versions have other events.
_OLDEST = "1"


class Invite(msgspec.Struct):
    room_version: str
    event: JsonObject
    invite_room_state: list[JsonObject] = []


class SignedInvite(msgspec.Struct):
    event: JsonObject


class InviteEndpoints:
    def __init__(self, invites: ReceivedInvites) -> None:
        self._invites = invites

    @endpoint(
        "PUT",
        "/_matrix/federation/v2/invite/{room_id}/{event_id}",
        auth=Auth.SERVER,
        limit=Limit.FEDERATION,
    )
    async def invite(
        self, origin: ServerName, room_id: RoomID, event_id: EventID, body: Invite
    ) -> SignedInvite:
        """Invites a user; the invitation with this server's signature."""
        told = body.invite_room_state
        return SignedInvite(
            await self._invites.receive(origin, room_id, event_id, body.room_version, body.event, told)
        )

    @endpoint(
        "PUT",
        "/_matrix/federation/v1/invite/{room_id}/{event_id}",
        auth=Auth.SERVER,
        limit=Limit.FEDERATION,
    )
    async def invite_v1(
        self, origin: ServerName, room_id: RoomID, event_id: EventID, body: JsonObject
    ) -> tuple[Literal[200], SignedInvite]:
        """The same for older servers."""
        unsigned = body.get("unsigned")
        told: Any = unsigned.get("invite_room_state") if isinstance(unsigned, dict) else None
        stripped = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
        answer = await self._invites.receive(origin, room_id, event_id, _OLDEST, body, stripped)
        return 200, SignedInvite(answer)
