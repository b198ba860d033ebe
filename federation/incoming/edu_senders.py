"""Whose EDUs another server may send: those of its own users, as far as they share something with users here."""

from collections.abc import Iterable

from homeserver.protocol.errors import Forbidden, MatrixError
from homeserver.protocol.identifiers import ServerName, UserID, parse_user_id, server_of
from homeserver.rooms.members import Members
from homeserver.storage.dictionary import Dictionary


class EduSenders:
    def __init__(self, users: Dictionary[UserID], members: Members) -> None:
        self._users = users
        self._members = members

    async def met(self, origin: ServerName, user_ids: Iterable[str]) -> list[str]:
        """Those who are users of that server and known here: asked at once for an EDU that tells of many."""
        own = [UserID(user_id) for user_id in user_ids if _is_of(origin, user_id)]
        return list(await self._users.find_all(own))

    async def in_room(self, origin: ServerName, user_id: str, room: int) -> int:
        """The short id of a user of that server who is joined to the room (short id). Raises Forbidden."""
        user_nid = await self._known(origin, user_id)
        member = await self._members.membership(room, user_nid)
        if member is None or member.membership != "join":
            raise Forbidden(f"{user_id} is not in the room")
        return user_nid

    async def in_any_room(self, origin: ServerName, user_id: str) -> int:
        """The same for a user who must be joined to some room that is known here."""
        user_nid = await self._known(origin, user_id)
        rooms = await self._members.rooms_of(user_nid)
        if all(member.membership != "join" for member in rooms.values()):
            raise Forbidden(f"{user_id} is in no room here")
        return user_nid

    async def _known(self, origin: ServerName, user_id: str) -> int:
        check_is_of(origin, user_id)
        # Not made: whom nobody here has met, nobody here is told of.
        user_nid = await self._users.find(UserID(user_id))
        if user_nid is None:
            raise Forbidden(f"{user_id} is in no room here")
        return user_nid


def check_is_of(origin: ServerName, user_id: str) -> None:
    """Raises Forbidden unless the user is of that server, InvalidParam where it is no user."""
    if server_of(parse_user_id(user_id)) != origin:
        raise Forbidden(f"{user_id} is not of {origin}")


def _is_of(origin: ServerName, user_id: str) -> bool:
    try:
        check_is_of(origin, user_id)
    except MatrixError:
        return False
    return True
