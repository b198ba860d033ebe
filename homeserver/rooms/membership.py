"""Local users joining, leaving, inviting and removing each other.

https://spec.matrix.org/v1.19/client-server-api/#room-membership
"""

import logging

from config.rate_limits import RateLimits
from homeserver.accounts.profiles import Profiles
from homeserver.http.limits import RateLimiter
from homeserver.protocol.errors import Forbidden, MatrixError, Unknown
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.rooms.draft import Draft, Sent
from homeserver.rooms.following import Following
from homeserver.rooms.head import Heads
from homeserver.rooms.inviting import Inviting
from homeserver.rooms.joining import Joining
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
        joining: Joining,
        inviting: Inviting,
        following: Following,
        limiter: RateLimiter,
        limits: RateLimits,
        db: Database,
    ) -> None:
        self._sender = sender
        self._heads = heads
        self._members = members
        self._profiles = profiles
        self._joining = joining
        self._inviting = inviting
        self._following = following
        self._limiter = limiter
        self._limits = limits
        self._db = db

    async def join(
        self, user_id: UserID, room_id: RoomID, reason: str | None = None, *, is_guest: bool = False
    ) -> Sent:
        """Raises GuestAccessForbidden, LimitExceeded, UnableToGrantJoin."""
        content = member_content("join", None, reason)
        return await self.set(user_id, room_id, user_id, content, is_guest=is_guest)

    async def knock(self, user_id: UserID, room_id: RoomID, reason: str | None = None) -> Sent:
        return await self.set(user_id, room_id, user_id, member_content("knock", None, reason))

    async def invite(
        self, sender: UserID, room_id: RoomID, target: UserID, reason: str | None = None
    ) -> Sent:
        """Raises InviteBlocked, LimitExceeded."""
        return await self.set(sender, room_id, target, member_content("invite", None, reason))

    async def set(
        self,
        sender: UserID,
        room_id: RoomID,
        target: UserID,
        content: JsonObject,
        *,
        is_guest: bool = False,
    ) -> Sent:
        """Sends a member event of any content, which is what all other ways to change a membership come to."""
        membership = content.get("membership")
        if membership == "join" and sender == target:
            return await self._join(sender, room_id, content, is_guest)
        if membership == "invite":
            await self._inviting.check(sender, room_id, target)
        if membership in ("knock", "invite"):
            content = await self._with_profile(target, content)
        return await self._send(room_id, sender, target, content)

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

    async def _join(self, user_id: UserID, room_id: RoomID, content: JsonObject, is_guest: bool) -> Sent:
        head = await self._heads.get(room_id)
        if is_guest:
            await self._joining.check_guest(head)
        is_there = await self._joining.membership(head, user_id) == "join"
        if not is_there:
            self._limiter.check("joins_per_room", self._limits.joins_per_room, room_id)
        content = await self._joining.authorised(head, user_id, content)
        sent = await self._send(room_id, user_id, user_id, await self._with_profile(user_id, content))
        if not is_there:
            await self._following.follow(user_id, head)
        return sent

    async def _with_profile(self, user_id: UserID, content: JsonObject) -> JsonObject:
        return {**member_content("", await self._profiles.get(user_id)), **content}

    async def _membership(self, room_id: RoomID, user_id: UserID) -> str | None:
        return await self._joining.membership(await self._heads.get(room_id), user_id)

    async def _send(self, room_id: RoomID, sender: UserID, target: UserID, content: JsonObject) -> Sent:
        return await self._sender.send(
            Draft(room_id=room_id, type="m.room.member", state_key=target, sender=sender, content=content)
        )
