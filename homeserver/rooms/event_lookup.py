"""Facts about single events that other features ask of rooms."""

from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.protocol.json import decode_json
from homeserver.rooms.head import Heads
from homeserver.rooms.store.events import event_by_id
from homeserver.storage.database import Database


class EventLookup:
    """Looks events up by their IDs. Raises NotFound where the room is not known here."""

    def __init__(self, heads: Heads, db: Database) -> None:
        self._heads = heads
        self._db = db

    async def position_of(self, room_id: RoomID, event_id: EventID) -> int | None:
        """Where the event stands in the room's timeline; None where it does not."""
        head = await self._heads.get(room_id)
        row = await self._db.read(event_by_id, event_id)
        return None if row is None or row.room != head.nid else row.position

    async def relation_of(self, room_id: RoomID, event_id: EventID) -> tuple[str, EventID] | None:
        """The relation type and target in the event's `m.relates_to`; None where it has none.

        https://spec.matrix.org/v1.19/client-server-api/#forming-relationships-between-events
        """
        head = await self._heads.get(room_id)
        row = await self._db.read(event_by_id, event_id)
        if row is None or row.room != head.nid:
            return None
        relation = decode_json(row.client)["content"].get("m.relates_to")
        if not isinstance(relation, dict):
            return None
        type_, target = relation.get("rel_type"), relation.get("event_id")
        return (type_, EventID(target)) if isinstance(type_, str) and isinstance(target, str) else None
