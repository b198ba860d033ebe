"""Events of other servers on their way into a room.

https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from homeserver.protocol.errors import ServerUnavailable
from homeserver.protocol.event_auth import AuthRejected, auth_slots, check_auth
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.protocol.power_levels import CREATE
from homeserver.rooms.appends import StaleHead
from homeserver.rooms.graph.auth_graph import RoomKey
from homeserver.rooms.graph.newcomer import GivenState
from homeserver.rooms.graph.receipt import MustBeStored, Receipt, Tip, receive
from homeserver.rooms.graph.vertices import Aside, Refusal
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.ingest import Announced, Ingest
from homeserver.rooms.partial import PartialRooms
from homeserver.rooms.send import RoomLocks
from homeserver.rooms.store.events import place_of
from homeserver.rooms.tying import BranchTying
from homeserver.runtime.log_context import add_to_log_context
from homeserver.storage.database import Database
from homeserver.streams.journal import Position

_ATTEMPTS = 5
GAP = 1_000_000
"""Positions that stay free before an event of which the predecessors are missing, for when they come."""


@dataclass(frozen=True, slots=True)
class Received:
    """What became of an event: its place in the timeline, or why it has none; neither if it was here already."""

    position: Position | None = None
    refusal: Refusal | None = None


class EventReceiver:
    """Takes in events that passed the checks of their format, signatures and hashes (1 to 3)."""

    def __init__(
        self,
        heads: Heads,
        ingest: Ingest,
        tying: BranchTying,
        partial: PartialRooms,
        db: Database,
        locks: RoomLocks,
    ) -> None:
        self._heads = heads
        self._ingest = ingest
        self._tying = tying
        self._partial = partial
        self._db = db
        self._locks = locks

    async def receive(
        self, event: Event, given: GivenState | None = None, *, is_taken_in: bool = False
    ) -> Received:
        """Stores an event in the timeline, or beside it with the reason of its refusal.

        `given` is the whole state before the event, for one whose predecessors are not here. One that `is_taken_in`
        by a server that knows the room better is not held against the current state here. Raises NotFound
        where the room is not known, UnknownEvents where events are needed that are not here.
        """
        add_to_log_context(room=event.room_id)
        for _ in range(_ATTEMPTS):
            try:
                return await self._attempt(event, given, is_taken_in)
            except StaleHead:
                continue
        raise ServerUnavailable("The room is too busy; try again")

    async def queue(self, event: Event) -> Deferred[Position] | None:
        """Begins to store an event that is not here, if it follows all that is and nothing is to be said against it.

        None for any other, which is to be received. The Deferred fires when it is stored; if it fails, as those
        queued after it will, too, the event may be received all the same. Raises NotFound where the room is not known.
        """
        async with self._locks.held(event.room_id):
            head = await self._head(event)
            return await self._ingest.accept(head, event) if await self._is_next(head, event) else None

    async def announce(self, events: Sequence[Event]) -> Announced:
        """What can be done for `add_outliers` before it is known which of the events are allowed."""
        return await self._ingest.announce(events)

    async def add_outliers(
        self,
        room_id: RoomID,
        events: Sequence[Event],
        announced: Announced | None = None,
        refused: Mapping[EventID, str] | None = None,
    ) -> Sequence[Aside]:
        """Stores events beside the timeline, of which it was checked that they are of the room and allowed.

        Those that are not are `refused`, each for a reason. What an event cites must be here or among `events`, which
        may be some of those `announced`.
        """
        head = await self._heads.get(room_id)
        return await self._ingest.set_aside(head, events, announced, refused or {})

    async def _attempt(self, event: Event, given: GivenState | None, is_taken_in: bool) -> Received:
        async with self._locks.held(event.room_id):
            head = await self._head(event)
            if given is None and await self._is_next(head, event) and not await self._is_here(event):
                stored = await self._ingest.accept(head, event)
            else:
                receipt = await self._receipt(head, event, given, is_taken_in)
                if receipt is None:
                    return Received()
                if receipt.refusal is not None:
                    await self._ingest.refuse(head, event, receipt)
                    return Received(refusal=receipt.refusal)
                stored = await self._ingest.merge(head, event, receipt, GAP if receipt.missing else 0)
                self._tying.note(head)
        # Outside the lock, so that the next event of the room shares this one's commit.
        return Received(await stored)

    async def _head(self, event: Event) -> Head:
        """That of the event's room, with what the event tells of members that are not known."""
        head = await self._heads.get(event.room_id)
        return await self._heads.get(event.room_id) if await self._partial.learn(head, event) else head

    async def _is_here(self, event: Event) -> bool:
        return await self._db.read(place_of, event.event_id) is not None

    async def _is_next(self, head: Head, event: Event) -> bool:
        """Whether the event follows all that is here, cites the current state, and is allowed by it.

        Then nothing else needs to be looked at: both states of the checks are that one.
        """
        if set(event.prev_events) != set(head.extremities) or event.type == "m.room.create":
            return False
        slots = auth_slots(
            type=event.type,
            sender=event.sender,
            state_key=event.state_key,
            content=event.content,
            version=event.version,
        )
        await self._heads.load(head, [CREATE, *slots, *([event.slot] if event.is_state else [])])
        current = {one.event_id for slot in slots if (one := head.get(slot)) is not None}
        if current != set(event.auth_events) or len(current) < len(event.auth_events):
            return False
        try:
            check_auth(event, head.state)
        except AuthRejected:
            return False
        return True

    async def _receipt(
        self, head: Head, event: Event, given: GivenState | None, is_taken_in: bool
    ) -> Receipt | None:
        # What the head knows and the store does not would be missing from the resolution.
        await head.settled()
        if await self._heads.get(head.room_id) is not head:
            raise StaleHead(head.room_id)
        tip = Tip(RoomKey(head.nid, head.room_id, head.version), head.state_line, head.extremities)
        slot = await self._ingest.slot_of(event)
        try:
            return await self._db.read(receive, tip, event, slot, given, is_taken_in)
        except MustBeStored:
            await self._ingest.set_aside(head, [event])
            return await self._db.read(receive, tip, event, slot, given, is_taken_in)
