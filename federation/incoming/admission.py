"""Which rooms another server may send to."""

from homeserver.protocol.errors import Forbidden, NotFound
from homeserver.protocol.identifiers import RoomID, ServerName
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.server_acl import SERVER_ACL, acl_allows
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.store.inhabitants import is_inhabited
from homeserver.rooms.store.partial import is_partial
from homeserver.storage.database import Database


class Admission:
    """Asked for each room that a request of another server is about."""

    def __init__(self, heads: Heads, db: Database) -> None:
        self._heads = heads
        self._db = db

    async def check(self, room_id: RoomID, origin: ServerName) -> Head:
        """Raises Forbidden where the room's server ACL denies the server, NotFound where nobody here is in the room.

        https://spec.matrix.org/v1.19/server-server-api/#server-access-control-lists-acls
        """
        head = await self._heads.get(room_id)
        await self._heads.load(head, [SERVER_ACL])
        acl = head.get(SERVER_ACL)
        if acl is not None and not acl_allows(acl.content, origin):
            raise Forbidden("The server is denied by the room's ACL")
        if not await self._db.read(is_inhabited, head.nid):
            raise NotFound("Nobody of this server is in the room")
        return head

    async def check_whole(self, room_id: RoomID, origin: ServerName) -> Head:
        """As `check`; raises NotFound, too, while most of the room's members are not known here.

        Whoever asks then turns to another server, as if nobody here were in the room.
        """
        head = await self.check(room_id, origin)
        if await self._db.read(is_partial, head.nid):
            raise NotFound("This server has not got the whole state of the room yet")
        return head

    async def version(self, room_id: RoomID, origin: ServerName) -> RoomVersion:
        """As `check`, of a room of which only the version matters."""
        return (await self.check(room_id, origin)).version
