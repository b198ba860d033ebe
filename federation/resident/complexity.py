"""How much a room asks of those who join it, as Synapse measures it."""

from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import RoomID
from homeserver.rooms.head import Heads
from homeserver.rooms.store.descriptions import descriptions_of
from homeserver.rooms.store.spans import OPEN
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_STATE_EVENTS_OF_ONE = 500


class RoomComplexity:
    def __init__(self, heads: Heads, db: Database) -> None:
        self._heads = heads
        self._db = db

    async def measure(self, room_id: RoomID) -> float:
        """1 for every 500 events of state. Raises NotFound unless everybody may join the room or look into it."""
        room = await self._heads.nid_of(room_id)
        count = await self._db.read(_public_state_events, room)
        return round(count / _STATE_EVENTS_OF_ONE, 2)


def _public_state_events(txn: Transaction, room: int) -> int:
    described = descriptions_of(txn, [room]).get(room)
    if described is None or not (described.says.join_rule == "public" or described.says.world_readable):
        raise NotFound("The room is not known here, or closed to your server")
    row = txn.row(
        "SELECT count(*) FROM room_state_span WHERE room = %(room)s AND to_line = %(open)s",
        room=room, open=OPEN,
    )  # fmt: skip
    assert row is not None, "a count is one row"
    return int(row[0])
