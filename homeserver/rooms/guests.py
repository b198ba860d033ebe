"""Guests leave rooms that are closed to them.

https://spec.matrix.org/v1.19/client-server-api/#guest-access
"""

import logging

from homeserver.protocol.errors import MatrixError
from homeserver.rooms.membership import MembershipChanges
from homeserver.rooms.store.descriptions import guests_have_left, leaving_guests
from homeserver.storage.database import Database

log = logging.getLogger(__name__)


class GuestDepartures:
    """Takes guests out of rooms that `m.room.guest_access` closed.

    Which rooms these are was noted together with that event, so that nobody stays because a process ended.
    """

    def __init__(self, changes: MembershipChanges, db: Database) -> None:
        self._changes = changes
        self._db = db

    async def take_out(self) -> None:
        for (room, room_id), guests in (await self._db.read(leaving_guests)).items():
            try:
                for user_id in guests:
                    await self._changes.leave(user_id, room_id)
            except MatrixError as error:
                # The next run tries again; the other rooms must not wait for it.
                log.warning("guests could not be taken out of %s: %s", room_id, error)
            else:
                await self._db.write(guests_have_left, room)
