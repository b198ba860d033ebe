"""Which rooms another server may read: those that it is in."""

from federation.incoming.admission import Admission
from federation.outgoing.room_servers_store import is_in
from homeserver.protocol.errors import Forbidden
from homeserver.protocol.identifiers import RoomID, ServerName
from homeserver.rooms.graph.auth_graph import RoomKey
from homeserver.rooms.head import Head
from homeserver.storage.database import Database


class ReadAccess:
    def __init__(self, admission: Admission, db: Database) -> None:
        self._admission = admission
        self._db = db

    async def room(self, room_id: RoomID, origin: ServerName) -> RoomKey:
        """Raises what `Admission.check` does, and Forbidden where no user of the server is in the room."""
        return await self._read_by(await self._admission.check(room_id, origin), origin)

    async def whole_room(self, room_id: RoomID, origin: ServerName) -> RoomKey:
        """As `room`, and raises what `Admission.check_whole` does."""
        return await self._read_by(await self._admission.check_whole(room_id, origin), origin)

    async def _read_by(self, head: Head, origin: ServerName) -> RoomKey:
        if not await self._db.read(is_in, head.nid, origin):
            raise Forbidden("The server is not in this room")
        return RoomKey(head.nid, head.room_id, head.version)
