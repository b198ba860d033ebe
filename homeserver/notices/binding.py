"""Users cannot leave the room in which the server speaks to them.

https://spec.matrix.org/v1.19/client-server-api/#server-notices
"""

from homeserver.notices.store import delete_rooms_of_deactivated, is_bound
from homeserver.protocol.errors import CannotLeaveServerNoticeRoom
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.storage.database import Database


class NoticeRooms:
    """Where the server does not speak, everybody may leave."""

    def __init__(self, db: Database, *, is_on: bool) -> None:
        self._db = db
        self._is_on = is_on

    async def check_may_leave(self, user_id: UserID, room_id: RoomID) -> None:
        """Raises CannotLeaveServerNoticeRoom."""
        if self._is_on and await self._db.read(is_bound, user_id, room_id):
            raise CannotLeaveServerNoticeRoom("You cannot leave the room in which the server speaks to you")

    async def forget_deactivated(self) -> None:
        """For a daily task."""
        await self._db.write(delete_rooms_of_deactivated)
