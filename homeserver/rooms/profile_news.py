"""Telling rooms of their members' new names and pictures.

https://spec.matrix.org/v1.19/client-server-api/#events-on-change-of-profile-information
"""

import logging
from collections.abc import Collection

from twisted.internet.defer import Deferred, gatherResults

from homeserver.accounts.profile import Profile
from homeserver.accounts.profiles import Profiles
from homeserver.accounts.store.profiles import (
    ProfileChange,
    ProfileReader,
    profile_changes,
    settle_profile_changes,
)
from homeserver.protocol.errors import MatrixError, ServerUnavailable
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.rooms.draft import Draft
from homeserver.rooms.member_content import member_content
from homeserver.rooms.members import Members
from homeserver.rooms.send import EventSender
from homeserver.runtime.tasks import TemporaryFailure, run_in_background
from homeserver.storage.database import Database

log = logging.getLogger(__name__)

_USERS_AT_ONCE = 10
_ROOMS_AT_ONCE = 10
"""Few enough to leave room for others, enough for them to be stored together."""


class ProfileNews:
    """Sends a member event to each room of who is called otherwise now.

    What is to be told is in the database until it was told, so nothing is forgotten when a process ends. A room
    that has been told is not told again, because it would change nothing.
    """

    def __init__(self, sender: EventSender, members: Members, profiles: Profiles, db: Database) -> None:
        self._sender = sender
        self._members = members
        self._profiles = profiles
        self._db = db
        self._is_telling = False
        self._is_more = False

    def profile_changed(self) -> None:
        """Implements `homeserver.accounts.profiles.ProfileListener`."""
        run_in_background("profiles in rooms", self.tell())

    async def tell(self) -> None:
        """Tells of all profiles that changed. While it is at it, another call only makes it look again."""
        self._is_more = True
        if self._is_telling:
            return
        self._is_telling = True
        try:
            while self._is_more:
                self._is_more = False
                await self._tell_all()
        finally:
            self._is_telling = False

    async def _tell_all(self) -> None:
        waiting: set[int] = set()
        while changes := await self._changes(waiting):
            for change in changes:
                if await self._tell_of(change):
                    await self._db.write(settle_profile_changes, ProfileReader.ROOMS, [change])
                else:
                    waiting.add(change.user_nid)
        if waiting:
            raise TemporaryFailure(f"rooms of {len(waiting)} users who have a new profile are too busy")

    async def _changes(self, waiting: Collection[int]) -> list[ProfileChange]:
        """Those that come next, without the users who are waiting."""
        most = _USERS_AT_ONCE + len(waiting)
        changes = await self._db.read(profile_changes, ProfileReader.ROOMS, most)
        return [change for change in changes if change.user_nid not in waiting]

    async def _tell_of(self, change: ProfileChange) -> bool:
        """Whether there is no room left to be told."""
        # Read after the change was: it is never older than what is settled.
        self._profiles.forget(change.user_id)
        profile = await self._profiles.get(change.user_id)
        room_ids = await self._members.room_ids(change.user_nid, "join")
        told: list[bool] = []
        for start in range(0, len(room_ids), _ROOMS_AT_ONCE):
            tellings = [
                Deferred.fromCoroutine(self._tell_room(change.user_id, profile, room_id))
                for room_id in room_ids[start : start + _ROOMS_AT_ONCE]
            ]
            told += await gatherResults(tellings, consumeErrors=True)
        return all(told)

    async def _tell_room(self, user_id: UserID, profile: Profile | None, room_id: RoomID) -> bool:
        """False for a room that may take it later."""
        content = member_content("join", profile)
        # Whoever has left meanwhile must not be brought back by it.
        draft = Draft(
            room_id=room_id,
            type="m.room.member",
            state_key=user_id,
            sender=user_id,
            content=content,
            of_member=True,
        )
        try:
            await self._sender.send(draft)
        except ServerUnavailable:
            return False
        except MatrixError as error:
            # The room's rules say no, and will say so again.
            log.info("%s could not be told that %s has a new profile: %s", room_id, user_id, error)
        return True
