"""Local users joining, leaving, inviting and removing each other.

https://spec.matrix.org/v1.19/client-server-api/#room-membership
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from config.rate_limits import RateLimits
from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.profiles import Profiles
from homeserver.http.limits import RateLimiter
from homeserver.protocol.errors import (
    Forbidden,
    GuestAccessForbidden,
    MatrixError,
    UnableToGrantJoin,
    Unknown,
)
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.removals import REDACT_EVENTS
from homeserver.rooms.draft import Draft, Sent
from homeserver.rooms.following import Following
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.inviting import Inviting
from homeserver.rooms.joining import Joining
from homeserver.rooms.member_content import member_content
from homeserver.rooms.members import Members
from homeserver.rooms.partial import PartialRooms
from homeserver.rooms.remote_memberships import RemoteMemberships, Wish
from homeserver.rooms.send import EventSender
from homeserver.rooms.store.members import members_without_account
from homeserver.storage.database import Database

log = logging.getLogger(__name__)

_DEPARTING_AT_ONCE = 1000
_REMOVABLE = ("join", "invite", "knock")


class BindingRooms(Protocol):
    """Rooms that users cannot leave. Implemented by `homeserver.notices`."""

    async def check_may_leave(self, user_id: UserID, room_id: RoomID) -> None:
        """Raises CannotLeaveServerNoticeRoom."""


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
        remote: RemoteMemberships,
        partial: PartialRooms,
        domains: LocalDomains,
        inviting: Inviting,
        following: Following,
        binding: BindingRooms,
        limiter: RateLimiter,
        limits: RateLimits,
        db: Database,
    ) -> None:
        self._sender = sender
        self._heads = heads
        self._members = members
        self._profiles = profiles
        self._joining = joining
        self._remote = remote
        self._partial = partial
        self._domains = domains
        self._inviting = inviting
        self._following = following
        self._binding = binding
        self._limiter = limiter
        self._limits = limits
        self._db = db

    async def join(
        self,
        user_id: UserID,
        room_id: RoomID,
        reason: str | None = None,
        *,
        via: Sequence[str] = (),
        is_guest: bool = False,
    ) -> Sent:
        """`via` names servers that are asked where nobody of this one is in the room.

        Raises GuestAccessForbidden, LimitExceeded, UnableToGrantJoin.
        """
        content = member_content("join", None, reason)
        return await self._join(Wish(user_id, room_id, content, via), is_guest)

    async def knock(
        self, user_id: UserID, room_id: RoomID, reason: str | None = None, *, via: Sequence[str] = ()
    ) -> Sent:
        """As `join`."""
        content = await self._with_profile(user_id, member_content("knock", None, reason))
        if await self._remote.is_here(room_id):
            return await self._send(room_id, user_id, user_id, content)
        return await self._remote.knock(Wish(user_id, room_id, content, via))

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
            return await self._join(Wish(sender, room_id, content), is_guest)
        if membership == "leave" and sender == target:
            await self._binding.check_may_leave(sender, room_id)
        await self._members_known(room_id)
        if membership == "invite":
            await self._inviting.check(sender, room_id, target)
            if not self._domains.is_local(target):
                return await self._remote.invite(_draft(room_id, sender, target, content))
        if membership in ("knock", "invite"):
            content = await self._with_profile(target, content)
        return await self._send(room_id, sender, target, content)

    async def leave(self, user_id: UserID, room_id: RoomID, reason: str | None = None) -> Sent:
        """Also rejects an invite and withdraws a knock. Raises CannotLeaveServerNoticeRoom."""
        await self._binding.check_may_leave(user_id, room_id)
        content = member_content("leave", None, reason)
        elsewhere = await self._remote.leave(Wish(user_id, room_id, content))
        return elsewhere or await self._send(room_id, user_id, user_id, content)

    async def kick(
        self,
        sender: UserID,
        room_id: RoomID,
        target: UserID,
        reason: str | None = None,
        *,
        redacts: bool = False,
    ) -> Sent:
        """`redacts` says whether all that the target sent is to be redacted, as far as the sender may."""
        await self._members_known(room_id)
        if await self._membership(room_id, target) not in _REMOVABLE:
            raise Forbidden(f"{target} is not in this room")
        content = _removal("leave", reason, redacts)
        return await self._send(room_id, sender, target, content)

    async def ban(
        self,
        sender: UserID,
        room_id: RoomID,
        target: UserID,
        reason: str | None = None,
        *,
        redacts: bool = False,
    ) -> Sent:
        """`redacts` says whether all that the target sent is to be redacted, as far as the sender may."""
        await self._members_known(room_id)
        content = _removal("ban", reason, redacts)
        return await self._send(room_id, sender, target, content)

    async def unban(self, sender: UserID, room_id: RoomID, target: UserID, reason: str | None = None) -> Sent:
        await self._members_known(room_id)
        if await self._membership(room_id, target) != "ban":
            raise Forbidden(f"{target} is not banned from this room")
        return await self._send(room_id, sender, target, member_content("leave", None, reason))

    async def forget(self, user_id: UserID, user_nid: int, room_id: RoomID) -> None:
        """Raises Unknown while the user is still in the room."""
        if await self._remote.forget(user_id, room_id) and not await self._heads.is_known(room_id):
            return
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

    async def _join(self, wish: Wish, is_guest: bool) -> Sent:
        if await self._remote.is_here(wish.room_id):
            return await self._join_here(wish, is_guest)
        if is_guest:
            raise GuestAccessForbidden("Guests may join rooms of this server only")
        self._limiter.check("joins_remote", self._limits.joins_remote, wish.user_id)
        sent = await self._remote.enter(await self._shown(wish))
        if sent is None:
            return await self._join_here(wish, is_guest)
        await self._following.follow(wish.user_id, await self._heads.get(wish.room_id))
        return sent

    async def _join_here(self, wish: Wish, is_guest: bool) -> Sent:
        user_id, room_id = wish.user_id, wish.room_id
        head = await self._heads.get(room_id)
        if is_guest:
            await self._joining.check_guest(head)
        is_there = await self._joining.membership(head, user_id) == "join"
        if not is_there:
            self._limiter.check("joins_per_room", self._limits.joins_per_room, room_id)
        sent = await self._join_as_authorised(head, await self._shown(wish))
        if not is_there:
            await self._following.follow(user_id, head)
        return sent

    async def _join_as_authorised(self, head: Head, wish: Wish) -> Sent:
        try:
            content = await self._joining.authorised(head, wish.user_id, wish.content)
        except UnableToGrantJoin:
            able = await self._joining.authorising_servers(head)
            if not able and not wish.via:
                raise
            return await self._remote.join(replace(wish, via=[*able, *wish.via]))
        return await self._send(wish.room_id, wish.user_id, wish.user_id, content)

    async def _shown(self, wish: Wish) -> Wish:
        """With how the user is shown."""
        return replace(wish, content=await self._with_profile(wish.user_id, wish.content))

    async def _with_profile(self, user_id: UserID, content: JsonObject) -> JsonObject:
        return {**member_content("", await self._profiles.get(user_id)), **content}

    async def _members_known(self, room_id: RoomID) -> None:
        """What happens to others has to cite what they were. Raises ServerUnavailable."""
        await self._partial.whole(await self._heads.nid_of(room_id))

    async def _membership(self, room_id: RoomID, user_id: UserID) -> str | None:
        return await self._joining.membership(await self._heads.get(room_id), user_id)

    async def _send(self, room_id: RoomID, sender: UserID, target: UserID, content: JsonObject) -> Sent:
        return await self._sender.send(_draft(room_id, sender, target, content))


def _removal(membership: str, reason: str | None, redacts: bool) -> JsonObject:
    content = member_content(membership, None, reason)
    return {**content, REDACT_EVENTS: True} if redacts else content


def _draft(room_id: RoomID, sender: UserID, target: UserID, content: JsonObject) -> Draft:
    return Draft(room_id=room_id, type="m.room.member", state_key=target, sender=sender, content=content)
