"""History that other servers have and we do not: what is fetched of it takes its place in the timeline."""

from collections.abc import Mapping, Sequence

from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.rooms.appends import Accepted, Projection
from homeserver.rooms.graph.auth_graph import RoomKey
from homeserver.rooms.graph.backfill import Filled, fill_gap
from homeserver.rooms.graph.newcomer import GivenState
from homeserver.rooms.graph.vertices import Aside, Fork
from homeserver.rooms.head import Heads
from homeserver.rooms.ingest import Ingest
from homeserver.rooms.send import RoomLocks
from homeserver.rooms.store.graph import missing_events
from homeserver.rooms.tails import Tails
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction


class History:
    """Fills the gaps of rooms with events that passed the checks of their format, signatures and hashes."""

    def __init__(
        self,
        heads: Heads,
        ingest: Ingest,
        tails: Tails,
        db: Database,
        locks: RoomLocks,
        projections: Sequence[Projection],
    ) -> None:
        """`projections` are those that know what was said, whenever it was; history is no news to the others."""
        self._heads = heads
        self._ingest = ingest
        self._tails = tails
        self._db = db
        self._locks = locks
        self._projections = projections

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
            asides = {one.event.event_id: one for one in await self._ingest.set_aside(head, events)}
            room = RoomKey(head.nid, room_id, head.version)
            oldest_first = [asides[event.event_id] for event in events]
            placed = await self._db.write(self._fill, room, oldest_first, given)
            # It holds all events after some position, and now there are more.
            self._tails.discard(head.nid)
            for projection in self._projections:
                projection.projected(placed)
            return len(placed)

    def _fill(
        self,
        txn: Transaction,
        room: RoomKey,
        asides: Sequence[Aside],
        given: Mapping[EventID, GivenState],
    ) -> list[Accepted]:
        placed = [_accepted(filled) for filled in fill_gap(txn, room, asides, given)]
        if placed:
            for projection in self._projections:
                projection.project(txn, placed)
        return placed


def _accepted(filled: Filled) -> Accepted:
    """As projections are told of it: it changes nothing of the room's current state."""
    aside, line = filled.aside, filled.line
    return Accepted(
        event=aside.event,
        short_ids=aside.short_ids,
        client=aside.client,
        federation=aside.federation,
        fork=Fork(filled.before),
        room=aside.room,
        nid=aside.nid,
        position=filled.position,
        state_before=line,
        state_after=line,
        known=aside.nid,
        is_late=True,
    )
