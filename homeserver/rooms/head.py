"""The head of a room: what the next event is built on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred

from homeserver.protocol.errors import NotFound
from homeserver.protocol.events import Event, from_stored
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.protocol.room_versions import RoomVersion, room_version
from homeserver.rooms.store.events import stored_pdus
from homeserver.rooms.store.heads import HeadRow, head_by_room_id
from homeserver.rooms.store.spans import Slot, current_events
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database

_SLOT_BYTES = 2_000
_HEAD_BYTES = 1_000


@dataclass(slots=True)
class Head:
    """The newest end of a room's timeline, with the part of its current state that was asked for.

    It runs ahead of the database: an event moves it when it is queued, so that the next one can be built
    while the first is on its way to the disk. If the first fails, the head is thrown away and with it all
    that was built on it (`Ingest`). Changed only while the room's lock is held.
    """

    nid: int
    room_id: RoomID
    version: RoomVersion
    state_line: int
    depth: int
    extremities: tuple[EventID, ...]
    state: dict[Slot, Event | None] = field(default_factory=dict)
    """Current state events of the slots looked at so far; None where a slot is known to be empty."""
    newest: dict[EventID, Event] = field(default_factory=dict)
    """The extremities themselves, as far as they are in memory."""
    unstored: set[EventID] = field(default_factory=set)
    """Events on their way to the disk, which nobody may be told are there."""
    settling: list[Deferred[None]] = field(default_factory=list)
    """Fired when no event is on its way any more."""

    def row(self) -> HeadRow:
        """What the table `room` is to hold of it."""
        return HeadRow(
            self.nid, self.room_id, self.version.identifier, self.state_line, self.depth, self.extremities
        )

    def advance(self, event: Event) -> None:
        """Moves to an event that was built on this head."""
        self.move(event, (event.event_id,), {event.slot: event} if event.is_state else {})

    def move(
        self, event: Event, extremities: tuple[EventID, ...], changes: Mapping[Slot, Event | None]
    ) -> None:
        """Moves to where an event leaves the room, with what it does to the current state."""
        self.extremities = extremities
        known = {**self.newest, event.event_id: event}
        self.newest = {event_id: known[event_id] for event_id in extremities if event_id in known}
        self.depth = max(self.depth, event.depth)
        if changes:
            self.state_line += 1
            self.state.update(changes)

    def depart(self, event_id: EventID) -> None:
        """An event is on its way to the disk."""
        self.unstored.add(event_id)

    def arrive(self, event_id: EventID) -> None:
        """It is there, or will never be."""
        self.unstored.discard(event_id)
        if not self.unstored:
            settling, self.settling = self.settling, []
            for settled in settling:
                settled.callback(None)

    async def settled(self) -> None:
        """Waits until no event is on its way."""
        if self.unstored:
            settled: Deferred[None] = Deferred()
            self.settling.append(settled)
            await settled

    def get(self, slot: Slot) -> Event | None:
        """The current state event of a slot, which must have been loaded (`Heads.load`)."""
        return self.state[slot]


class Heads:
    """Heads in memory, loaded when asked for."""

    def __init__(self, db: Database, budget: int) -> None:
        """`budget` is in bytes."""
        self._db = db
        self._cache: ByteBudgetCache[RoomID, Head] = ByteBudgetCache(budget)

    async def get(self, room_id: RoomID) -> Head:
        """Raises NotFound where the room is not known here."""
        head = self._cache.get(room_id)
        if head is not None:
            return head
        row = await self._db.read(head_by_room_id, room_id)
        if row is None:
            raise NotFound("This room is not known here")
        # Another coroutine may have loaded it meanwhile; there must be only one.
        head = self._cache.get(room_id)
        return head if head is not None else self.put(_from_row(row))

    async def is_known(self, room_id: RoomID) -> bool:
        try:
            await self.get(room_id)
        except NotFound:
            return False
        return True

    async def nid_of(self, room_id: RoomID) -> int:
        """The room's short id. Raises NotFound."""
        return (await self.get(room_id)).nid

    def put(self, head: Head) -> Head:
        """Keeps a head, and counts the memory that it takes by now."""
        self._cache.put(head.room_id, head, _HEAD_BYTES + _SLOT_BYTES * len(head.state))
        return head

    def discard(self, room_id: RoomID) -> None:
        """Forgets the head; the next `get` reads it anew."""
        self._cache.discard(room_id)

    def abandon(self, head: Head) -> None:
        """Forgets this head, unless another one is in its place already."""
        if self._cache.get(head.room_id) is head:
            self._cache.discard(head.room_id)

    async def load(self, head: Head, slots: Iterable[Slot]) -> None:
        """Makes sure that `head.get` can answer for `slots`."""
        missing = [slot for slot in slots if slot not in head.state]
        if not missing:
            return
        found: Mapping[Slot, Event] = await self._db.read(
            current_events, head.nid, head.room_id, head.version, missing
        )
        for slot in missing:
            # Not overwritten: what was queued meanwhile is newer than what was read.
            head.state.setdefault(slot, found.get(slot))
        self._count(head)

    async def load_newest(self, head: Head) -> None:
        """Makes sure that `head.newest` has all extremities."""
        missing = [event_id for event_id in head.extremities if event_id not in head.newest]
        if missing:
            for pdu in await self._db.read(stored_pdus, head.nid, missing):
                head.newest[pdu.event_id] = from_stored(
                    pdu.client, pdu.federation, head.room_id, head.version
                )

    def _count(self, head: Head) -> None:
        # One that was discarded meanwhile must not come back.
        if self._cache.get(head.room_id) is head:
            self.put(head)


def _from_row(row: HeadRow) -> Head:
    return Head(row.nid, row.room_id, room_version(row.version), row.state_line, row.depth, row.extremities)
