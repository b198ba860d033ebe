"""What users set about a room follows them into the room that replaces it.

https://spec.matrix.org/v1.19/client-server-api/#room-upgrades
"""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from homeserver.account_data.contents import AccountData
from homeserver.account_data.store import NO_ROOM, ContentKey
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.members import Members
from homeserver.storage.dictionary import Dictionary

_CREATE = ("m.room.create", "")


class RoomSettings(Protocol):
    """Something else that users set about rooms, kept by a part that rooms know nothing of."""

    async def carry_over(self, user_nid: int, old: RoomID, new: RoomID) -> None:
        """What the user set about one room also holds for the other."""


class Following:
    """Tags and direct chats, and what others keep."""

    def __init__(
        self,
        account_data: AccountData,
        users: Dictionary[UserID],
        heads: Heads,
        members: Members,
        others: Sequence[RoomSettings],
    ) -> None:
        self._account_data = account_data
        self._users = users
        self._heads = heads
        self._members = members
        self._others = others

    async def follow(self, user_id: UserID, room: Head) -> None:
        """To be called when a local user has joined `room`, which may replace one that the user was in."""
        user_nid = await self._users.nid_of(user_id)
        old = await self._predecessor(user_nid, room)
        if old is None:
            return
        tags = await self._account_data.content(ContentKey(user_nid, old.nid, "m.tag"))
        if tags is not None and await self._account_data.content(_tag_key(user_nid, room)) is None:
            await self._account_data.put(_tag_key(user_nid, room), decode_json(tags))
        direct = ContentKey(user_nid, NO_ROOM, "m.direct")
        stored = await self._account_data.content(direct)
        if stored is not None and old.room_id.encode() in stored:
            await self._account_data.edit(direct, partial(_with_replacement, old.room_id, room.room_id))
        for settings in self._others:
            await settings.carry_over(user_nid, old.room_id, room.room_id)

    async def _predecessor(self, user_nid: int, room: Head) -> Head | None:
        """The room that this one replaces, if the user had to do with it."""
        await self._heads.load(room, [_CREATE])
        create = room.get(_CREATE)
        predecessor = None if create is None else create.content.get("predecessor")
        room_id = predecessor.get("room_id") if isinstance(predecessor, dict) else None
        if not isinstance(room_id, str):
            return None
        if not await self._heads.is_known(RoomID(room_id)):
            return None
        old = await self._heads.get(RoomID(room_id))
        return None if await self._members.membership(old.nid, user_nid) is None else old


def _tag_key(user_nid: int, room: Head) -> ContentKey:
    return ContentKey(user_nid, room.nid, "m.tag")


def _with_replacement(old: RoomID, new: RoomID, direct: JsonObject) -> JsonObject:
    """The content of m.direct, with the new room beside the old one."""
    return {
        user_id: [*rooms, new] if isinstance(rooms, list) and old in rooms and new not in rooms else rooms
        for user_id, rooms in direct.items()
    }
