"""Keeping the user directory: local users by their profiles, others by what their member events say.

https://spec.matrix.org/v1.19/client-server-api/#user-directory
"""

from collections.abc import Iterable, Sequence

from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.store.profiles import (
    ProfileReader,
    mark_all_profiles,
    profile_changes,
    profile_of,
    settle_profile_changes,
)
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.rooms.appends import Accepted, StateChange
from homeserver.search.store.users import (
    IndexedUser,
    delete_departed,
    delete_index,
    index_user,
    is_indexed_as,
    joined_members,
    rooms_after,
    update_public_room,
)
from homeserver.search.words import words_of_user
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

_BATCH = 200
_DECIDE = ("m.room.join_rules", "m.room.history_visibility")


class UserIndex:
    """A projection of rooms, and a reader of profiles."""

    def __init__(self, db: Database, domains: LocalDomains) -> None:
        self._db = db
        self._domains = domains

    async def catch_up(self) -> None:
        """Takes up all profiles that changed. Costs one small query where none did."""
        while await self._db.read(profile_changes, ProfileReader.USER_DIRECTORY, 1):
            await self._db.write(_take_up_profiles)

    async def forget_departed(self) -> None:
        """For a task: users of other servers whose last room here is gone."""
        while await self._db.write(delete_departed, _BATCH) == _BATCH:
            pass

    async def rebuild(self) -> None:
        """Everything anew, from profiles and rooms; meanwhile not everybody is found."""
        await self._db.write(_begin_anew)
        rooms = await self._db.read(rooms_after, 0, _BATCH)
        while rooms:
            await self._db.write(self._take_up_rooms, rooms)
            rooms = await self._db.read(rooms_after, rooms[-1], _BATCH)
        await self.catch_up()

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        for event in events:
            for change in event.changes:
                if change.target is None and (change.event is None or change.event.type in _DECIDE):
                    update_public_room(txn, event.room)
                elif change.target is not None:
                    self._moved(txn, change.target, change)

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        """Nobody waits for the directory."""
        return ()

    def _moved(self, txn: Transaction, user_nid: int, change: StateChange) -> None:
        event = change.event
        if event is not None and event.membership == "join" and event.state_key is not None:
            self._take_up_member(txn, user_nid, UserID(event.state_key), event.content)

    def _take_up_member(self, txn: Transaction, user_nid: int, user_id: UserID, content: JsonObject) -> None:
        """A user of another server is called as they call themselves in the room that they came into last."""
        if self._domains.is_local(user_id):
            return
        name, avatar_url = content.get("displayname"), content.get("avatar_url")
        user = IndexedUser(
            user_nid,
            user_id,
            is_local=False,
            displayname=name if isinstance(name, str) else None,
            avatar_url=avatar_url if isinstance(avatar_url, str) else None,
        )
        if not is_indexed_as(txn, user):
            index_user(txn, user, words_of_user(user_id, user.displayname))

    def _take_up_rooms(self, txn: Transaction, rooms: Sequence[int]) -> None:
        for room in rooms:
            update_public_room(txn, room)
            for user_nid, user_id, client in joined_members(txn, room):
                self._take_up_member(txn, user_nid, user_id, decode_json(client)["content"])


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
