"""History that other servers have and we do not: what is fetched of it takes its place in the timeline."""

from collections.abc import Mapping, Sequence

from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.rooms.graph.auth_graph import RoomKey
from homeserver.rooms.graph.backfill import fill_gap
from homeserver.rooms.graph.newcomer import GivenState
from homeserver.rooms.head import Heads
from homeserver.rooms.ingest import Ingest
from homeserver.rooms.send import RoomLocks
from homeserver.rooms.store.graph import missing_events
from homeserver.rooms.tails import Tails
from homeserver.storage.database import Database


class History:
    """Fills the gaps of rooms with events that passed the checks of their format, signatures and hashes."""

    def __init__(self, heads: Heads, ingest: Ingest, tails: Tails, db: Database, locks: RoomLocks) -> None:
        self._heads = heads
        self._ingest = ingest
        self._tails = tails
        self._db = db
        self._locks = locks

    async def missing(self, room_id: RoomID) -> Mapping[EventID, int]:
        """Events that others name and that are not here, with the position of what names them. Raises NotFound."""
        return await self._db.read(missing_events, await self._heads.nid_of(room_id))

    async def add(self, room_id: RoomID, events: Sequence[Event], given: Mapping[EventID, GivenState]) -> int:
        """Stores events, oldest first; how many are in the timeline now that were not before.

        The newest is one of the `missing`. What authorises them must be here, and `given` is the whole state before
        those whose predecessors are not. Raises NotFound where there is no such room.
        """
        async with self._locks.held(room_id):
            head = await self._heads.get(room_id)
            await self._ingest.set_aside(head, events)
            room = RoomKey(head.nid, room_id, head.version)
            placed = await self._db.write(fill_gap, room, events, given)
            # It holds all events after some position, and now there are more.
            self._tails.discard(head.nid)
            return placed
