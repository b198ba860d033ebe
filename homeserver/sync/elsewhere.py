"""Rooms in which nobody of this server is: invitations to them, knocks, and how those ended.

https://spec.matrix.org/v1.19/client-server-api/#syncing
"""

import msgspec

from homeserver.protocol.filters import RoomFilter
from homeserver.rooms.elsewhere import RoomsElsewhere
from homeserver.rooms.store.elsewhere import ElsewhereRow, elsewhere_after
from homeserver.rooms.stripped import stripped_event
from homeserver.storage.database import Database
from homeserver.sync.answer import Parts


class ElsewhereNews:
    def __init__(self, rooms: RoomsElsewhere, db: Database) -> None:
        self._rooms = rooms
        self._db = db

    def changed_after(self, user_nid: int, position: int) -> bool:
        """Whether something may have changed for the user after `position`."""
        return self._rooms.changed_after(user_nid, position)

    async def add(
        self, user_nid: int, wanted: RoomFilter, since: int | None, upto: int, parts: Parts
    ) -> None:
        """Adds what changed after `since` to `parts`; None is for a client that knows nothing."""
        if since is not None and not self.changed_after(user_nid, since):
            return
        for row in await self._db.read(elsewhere_after, user_nid, since or 0, upto):
            if not wanted.includes(row.room_id):
                continue
            if row.membership == "invite":
                parts.invited = {**parts.invited, row.room_id: _stripped(row)}
            elif row.membership == "knock":
                parts.knocked = {**parts.knocked, row.room_id: _stripped(row)}
            elif since is not None or wanted.include_leave:
                parts.left_elsewhere[row.room_id] = msgspec.Raw(row.event)


def _stripped(row: ElsewhereRow) -> list[msgspec.Raw]:
    """What the room says of itself, and last the member event."""
    told = msgspec.json.decode(row.stripped, type=list[msgspec.Raw])
    return [*told, stripped_event(row.event)]
