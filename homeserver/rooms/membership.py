"""Local users joining, leaving, inviting and removing each other.

https://spec.matrix.org/v1.19/client-server-api/#room-membership
"""

import logging

from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.profiles import Profiles
from homeserver.protocol.errors import Forbidden, MatrixError, Unknown
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.rooms.draft import Draft, Sent
from homeserver.rooms.head import Heads
from homeserver.rooms.member_content import member_content
from homeserver.rooms.members import Members
from homeserver.rooms.send import EventSender
from homeserver.rooms.store.members import members_without_account
from homeserver.storage.database import Database

log = logging.getLogger(__name__)

_DEPARTING_AT_ONCE = 1000
_REMOVABLE = ("join", "invite", "knock")


class MembershipChanges:
    """Sends member events. The room's own rules (`protocol.event_auth`) decide; nothing is decided twice.

    All raise Forbidden where the rules say no, and NotFound where the room is not known here.
    """

    def __init__(
        self,
        sender: EventSender,
        heads: Heads,
        members: Members,
        profiles: Profiles,
        domains: LocalDomains,
        db: Database,
    ) -> None:
        self._sender = sender
        self._heads = heads
        self._members = members
        self._profiles = profiles
        self._domains = domains
        self._db = db

    async def join(self, user_id: UserID, room_id: RoomID, reason: str | None = None) -> Sent:
        profile = await self._profiles.get(user_id)
        return await self._send(room_id, user_id, user_id, member_content("join", profile, reason))

    async def invite(
        self, sender: UserID, room_id: RoomID, target: UserID, reason: str | None = None
    ) -> Sent:
        if not self._domains.is_local(target):
            raise Forbidden("Users of other servers cannot be invited: this server does not federate")
        profile = await self._profiles.get(target)
        return await self._send(room_id, sender, target, member_content("invite", profile, reason))

    async def leave(self, user_id: UserID, room_id: RoomID, reason: str | None = None) -> Sent:
        """Also rejects an invite and withdraws a knock."""
        return await self._send(room_id, user_id, user_id, member_content("leave", None, reason))

    async def kick(self, sender: UserID, room_id: RoomID, target: UserID, reason: str | None = None) -> Sent:
        if await self._membership(room_id, target) not in _REMOVABLE:
            raise Forbidden(f"{target} is not in this room")
        return await self._send(room_id, sender, target, member_content("leave", None, reason))

    async def ban(self, sender: UserID, room_id: RoomID, target: UserID, reason: str | None = None) -> Sent:
        return await self._send(room_id, sender, target, member_content("ban", None, reason))

    async def unban(self, sender: UserID, room_id: RoomID, target: UserID, reason: str | None = None) -> Sent:
        if await self._membership(room_id, target) != "ban":
            raise Forbidden(f"{target} is not banned from this room")
        return await self._send(room_id, sender, target, member_content("leave", None, reason))

    async def forget(self, user_nid: int, room_id: RoomID) -> None:
        """Raises Unknown while the user is still in the room."""
        head = await self._heads.get(room_id)
        row = await self._members.membership(head.nid, user_nid)
        if row is None:
            raise Forbidden("You were never in this room")
        if row.membership in _REMOVABLE:
            raise Unknown("Leave the room before you forget it")
        await self._members.forget(head.nid, user_nid)

    async def remove_deactivated(self) -> None:
        """Takes users whose accounts were deactivated out of their rooms.

        Found in the database and not by being told, so that nobody stays in a room because a process ended.
        """
        for user_id, room_id in await self._db.read(members_without_account, _DEPARTING_AT_ONCE):
            try:
                await self.leave(user_id, room_id)
            except MatrixError as error:
                # The next run tries again; the others must not wait for it.
                log.warning("%s could not be taken out of %s: %s", user_id, room_id, error)

    async def profile_changed(self, user_id: UserID, user_nid: int) -> None:
        """Shows a user's new name and avatar in every room that the user is joined to."""
        profile = await self._profiles.get(user_id)
        room_ids = await self._members.room_ids(user_nid, "join")
        for room_id in room_ids:
            await self._send(room_id, user_id, user_id, member_content("join", profile))

    async def _membership(self, room_id: RoomID, user_id: UserID) -> str | None:
        head = await self._heads.get(room_id)
        slot = ("m.room.member", str(user_id))
        await self._heads.load(head, [slot])
        event = head.get(slot)
        return None if event is None else event.membership

    async def _send(self, room_id: RoomID, sender: UserID, target: UserID, content: JsonObject) -> Sent:
        return await self._sender.send(
            Draft(room_id=room_id, type="m.room.member", state_key=target, sender=sender, content=content)
        )
