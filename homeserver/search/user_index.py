"""Keeping the user directory: local users by their profiles, others by what rooms tell of them.

https://spec.matrix.org/v1.19/client-server-api/#user-directory
"""

from collections.abc import Sequence

from homeserver.accounts.store.profiles import (
    ProfileReader,
    mark_all_profiles,
    profile_changes,
    profile_of,
    settle_profile_changes,
)
from homeserver.runtime.tasks import run_in_background
from homeserver.search.member_index import MemberIndex
from homeserver.search.store.users import (
    IndexedUser,
    delete_departed,
    delete_index,
    index_user,
    rooms_after,
    unread_room,
)
from homeserver.search.words import words_of_user
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_BATCH = 200


class UserIndex:
    """A reader of profiles."""

    def __init__(self, db: Database, members: MemberIndex) -> None:
        self._db = db
        self._members = members
        members.listen(self._wake)

    def _wake(self) -> None:
        run_in_background("user directory", self.catch_up())

    async def catch_up(self) -> None:
        """Takes up all profiles that changed, and rooms of which many members came. Costs two small queries where
        nothing did."""
        while await self._db.read(profile_changes, ProfileReader.USER_DIRECTORY, 1):
            await self._db.write(_take_up_profiles)
        while await self._db.read(unread_room):
            await self._db.write(self._members.take_up_some)

    async def forget_departed(self) -> None:
        """For a task: users of other servers whose last room here is gone."""
        while await self._db.write(delete_departed, _BATCH) == _BATCH:
            pass

    async def rebuild(self) -> None:
        """Everything anew, from profiles and rooms; meanwhile not everybody is found."""
        await self._db.write(_begin_anew)
        rooms = await self._db.read(rooms_after, 0, _BATCH)
        while rooms:
            await self._db.write(_take_up_rooms, self._members, rooms)
            rooms = await self._db.read(rooms_after, rooms[-1], _BATCH)
        await self.catch_up()


def _take_up_rooms(txn: Transaction, members: MemberIndex, rooms: Sequence[int]) -> None:
    for room in rooms:
        members.take_up_room(txn, room)


def _begin_anew(txn: Transaction) -> None:
    delete_index(txn)
    mark_all_profiles(txn, ProfileReader.USER_DIRECTORY)


def _take_up_profiles(txn: Transaction) -> None:
    changes = profile_changes(txn, ProfileReader.USER_DIRECTORY, _BATCH)
    for change in changes:
        profile = profile_of(txn, change.user_id)
        if profile is not None:
            user = IndexedUser(
                change.user_nid,
                change.user_id,
                is_local=True,
                displayname=profile.displayname,
                avatar_url=profile.avatar_url,
            )
            index_user(txn, user, words_of_user(change.user_id, profile.displayname))
    settle_profile_changes(txn, ProfileReader.USER_DIRECTORY, changes)
