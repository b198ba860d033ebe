"""Names of rooms, and the list of rooms that everyone may find, as they are stored."""

from homeserver.protocol.errors import NotFound, RoomInUse
from homeserver.protocol.identifiers import RoomAlias, RoomID, UserID
from homeserver.rooms.store.directory import (
    aliases_of_room,
    claim_alias,
    delete_alias,
    find_alias,
    move_aliases,
)
from homeserver.rooms.store.published import MAIN_LIST, is_published, publish_room, unpublish_room
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction


class Directory:
    """Aliases of this server and its published rooms. Who may change them is decided elsewhere."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def claim(self, alias: RoomAlias, room_id: RoomID, creator: UserID) -> None:
        """Raises RoomInUse where the alias is taken."""
        if not await self._db.write(claim_alias, alias, room_id, creator, self._clock.now_ms()):
            raise RoomInUse(f"The alias {alias} is taken")

    async def room_of(self, alias: RoomAlias) -> RoomID:
        """Raises NotFound."""
        return (await self.find(alias))[0]

    async def find(self, alias: RoomAlias) -> tuple[RoomID, UserID]:
        """The room and who gave it the alias. Raises NotFound."""
        found = await self._db.read(find_alias, alias)
        if found is None:
            raise NotFound(f"There is no room with the alias {alias}")
        return found

    async def aliases_of(self, room_id: RoomID) -> list[RoomAlias]:
        """The oldest first."""
        return await self._db.read(aliases_of_room, room_id)

    async def delete(self, alias: RoomAlias) -> None:
        await self._db.write(delete_alias, alias)

    async def is_published(self, room: int) -> bool:
        """Whether the room (short id) is on the list that everyone may find."""
        return await self._db.read(is_published, room)

    async def publish(self, room: int, network: str = MAIN_LIST) -> None:
        """Puts the room onto the list, or that of a network, if it is not there."""
        await self._db.write(publish_room, room, network)

    async def unpublish(self, room: int, network: str = MAIN_LIST) -> None:
        await self._db.write(unpublish_room, room, network)

    async def move(self, old: tuple[int, RoomID], new: tuple[int, RoomID]) -> None:
        """Gives the aliases of one room, and its place on the list, to another; each is (short id, ID)."""
        await self._db.write(_move, old, new)


def _move(txn: Transaction, old: tuple[int, RoomID], new: tuple[int, RoomID]) -> None:
    move_aliases(txn, old[1], new[1])
    if is_published(txn, old[0]):
        unpublish_room(txn, old[0])
        publish_room(txn, new[0])
