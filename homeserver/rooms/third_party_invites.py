"""Inviting by address, and those who were invited so becoming known.

https://spec.matrix.org/v1.19/client-server-api/#third-party-invites and
https://spec.matrix.org/v1.19/server-server-api/#third-party-invites
"""

from typing import Protocol

from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.errors import Forbidden
from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import RoomID, ServerName, UserID, server_of
from homeserver.protocol.json import JsonObject
from homeserver.protocol.third_party_invites import is_vouched_for
from homeserver.rooms.draft import Draft
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.invited_addresses import TYPE, InvitedAddress, InvitedAddresses
from homeserver.rooms.joining import Joining
from homeserver.rooms.membership import MembershipChanges
from homeserver.rooms.powers import may_invite
from homeserver.rooms.send import EventSender


class InvitingServers(Protocol):
    """The servers of those who invited. Implemented by `federation`."""

    async def exchange_third_party_invite(
        self, destination: ServerName, room_id: RoomID, event: JsonObject
    ) -> None:
        """Asks a server to invite whom an address turned out to belong to. Raises MatrixErrors."""


class ThirdPartyInvites:
    """Turns addresses into invitations."""

    def __init__(
        self,
        addresses: InvitedAddresses,
        changes: MembershipChanges,
        sender: EventSender,
        heads: Heads,
        joining: Joining,
        elsewhere: InvitingServers,
        domains: LocalDomains,
    ) -> None:
        self._addresses = addresses
        self._changes = changes
        self._sender = sender
        self._heads = heads
        self._joining = joining
        self._elsewhere = elsewhere
        self._domains = domains

    async def invite(
        self, inviter: UserID, room_id: RoomID, invited: InvitedAddress, reason: str | None
    ) -> None:
        """Invites the user whom the address belongs to, or keeps a place for who will prove to read it.

        Raises what `MembershipChanges.invite` and `InvitedAddresses` do.
        """
        head = await self._heads.get(room_id)
        # The room would say so too, but only after somebody was written to.
        if not await may_invite(self._heads, head, inviter):
            raise Forbidden("You may not invite to this room")
        owner = await self._addresses.owner(inviter, invited)
        if owner is not None:
            await self._changes.invite(inviter, room_id, owner, reason)
            return
        token, content = await self._addresses.invitation(inviter, head, invited)
        await self._sender.send(
            Draft(room_id=room_id, type=TYPE, state_key=token, sender=inviter, content=content)
        )

    async def redeem(self, inviter: UserID, room_id: RoomID, invited: UserID, signed: JsonObject) -> None:
        """Invites a local user of whom the third party of an invitation says by `signed` that it is for them.

        Who is invited or joined already is left so. Raises Forbidden unless that is true, NotFound for a room that
        is not known here, InviteBlocked, LimitExceeded; and what a server elsewhere says that `inviter` is of.
        """
        if signed.get("mxid") != invited:
            raise Forbidden("The third-party invitation is signed for somebody else")
        if not self._domains.is_local(inviter):
            await self._redeem_elsewhere(inviter, room_id, invited, signed)
            return
        head = await self._heads.get(room_id)
        if await self._joining.membership(head, invited) in ("join", "invite"):
            return
        # Also among the rules of the room, but before that others' limits are counted.
        invitation = await self._invitation(head, signed.get("token"))
        if invitation is None or invitation.sender != inviter or not is_vouched_for(signed, invitation):
            raise Forbidden("This is for none of the room's third-party invitations")
        content = _content(invitation.content.get("display_name"), signed)
        await self._changes.set(inviter, room_id, invited, content)

    async def _redeem_elsewhere(
        self, inviter: UserID, room_id: RoomID, invited: UserID, signed: JsonObject
    ) -> None:
        if await self._heads.is_known(room_id):
            head = await self._heads.get(room_id)
            if await self._joining.membership(head, invited) in ("join", "invite"):
                return
        event: JsonObject = {
            "type": "m.room.member",
            "room_id": room_id,
            "sender": inviter,
            "state_key": invited,
            # Its name in the room is known to that server.
            "content": _content("", signed),
        }
        await self._elsewhere.exchange_third_party_invite(ServerName(server_of(inviter)), room_id, event)

    async def _invitation(self, head: Head, token: object) -> Event | None:
        if not isinstance(token, str):
            return None
        await self._heads.load(head, [(TYPE, token)])
        return head.get((TYPE, token))


def _content(display_name: object, signed: JsonObject) -> JsonObject:
    """Of the member event that the invitation becomes."""
    name = display_name if isinstance(display_name, str) else ""
    return {"membership": "invite", "third_party_invite": {"display_name": name, "signed": signed}}
