"""Names of rooms, and the list of rooms that everyone may find."""

from homeserver.protocol.errors import NotFound, RoomInUse
from homeserver.protocol.identifiers import RoomAlias, RoomID, UserID
from homeserver.rooms.store.directory import claim_alias, publish_room, room_of_alias
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database


class Directory:
    """Aliases of this server and its published rooms."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def claim(self, alias: RoomAlias, room_id: RoomID, creator: UserID) -> None:
        """Raises RoomInUse where the alias is taken."""
        if not await self._db.write(claim_alias, alias, room_id, creator, self._clock.now_ms()):
            raise RoomInUse(f"The alias {alias} is taken")

    async def room_of(self, alias: RoomAlias) -> RoomID:
        """Raises NotFound."""
        room_id = await self._db.read(room_of_alias, alias)
        if room_id is None:
            raise NotFound(f"There is no room with the alias {alias}")
        return room_id

    async def publish(self, room_id: RoomID) -> None:
        """Puts the room into the list that everyone may find, if it is not there."""
        await self._db.write(publish_room, room_id)
