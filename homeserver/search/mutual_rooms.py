"""Rooms that two users are both in.

https://spec.matrix.org/v1.19/client-server-api/#mutual-rooms
"""

from typing import NamedTuple

from homeserver.http.requester import Requester
from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.rooms.members import Members
from homeserver.storage.dictionary import Dictionary

_PAGE = 100


class MutualRoomsPage(NamedTuple):
    """`total` is how many there are in all; `next_batch` is None on the last page."""

    joined: list[RoomID]
    total: int
    next_batch: str | None


class MutualRooms:
    """Grows with the rooms of both users, which are in memory where they were asked for lately."""

    def __init__(self, members: Members, users: Dictionary[UserID]) -> None:
        self._members = members
        self._users = users

    async def with_user(self, requester: Requester, user_id: UserID, token: str | None) -> MutualRoomsPage:
        """In the order of their short ids. Raises InvalidParam for oneself and for a token that is none."""
        if user_id == requester.user_id:
            raise InvalidParam("These would be all of your rooms")
        after = 0 if token is None else _parse(token)
        nid = await self._users.find(user_id)
        theirs = {} if nid is None else await self._joined(nid)
        ours = await self._joined(requester.user_nid)
        shared = sorted(ours.keys() & theirs.keys())
        rest = [room for room in shared if room > after]
        page = rest[:_PAGE]
        more = f"m{page[-1]}" if len(rest) > _PAGE else None
        return MutualRoomsPage([ours[room] for room in page], len(shared), more)

    async def _joined(self, user_nid: int) -> dict[int, RoomID]:
        rows = await self._members.rooms_of(user_nid)
        return {room: row.room_id for room, row in rows.items() if row.membership == "join"}


def _parse(token: str) -> int:
    digits = token[1:]
    if not token.startswith("m") or not (digits.isascii() and digits.isdecimal()) or len(digits) > 18:
        raise InvalidParam("This is no token of this server")
    return int(digits)
