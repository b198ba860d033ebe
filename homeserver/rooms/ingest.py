"""The one way an event enters a room."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from homeserver.protocol.events import Event, stored_forms
from homeserver.protocol.identifiers import EventID, UserID
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.store.events import EventRow, event_nids, insert_bodies, insert_events
from homeserver.rooms.store.heads import HeadRow, heads_by_nid, insert_heads, update_heads
from homeserver.rooms.store.spans import OPEN, Slot, Span, close_spans, insert_spans
from homeserver.rooms.store.transactions import TransactionKey, insert_transactions, made_events
from homeserver.runtime.clock import Clock
from homeserver.runtime.metrics import EVENTS_ACCEPTED
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal, Placed, Position, Topic


class StaleHead(Exception):
    """The room moved on before the event was stored; build it again on the new head."""


class AlreadySent(Exception):
    """The transaction ID has made an event before."""

    def __init__(self, event_id: EventID) -> None:
        super().__init__(event_id)
        self.event_id = event_id


class ShortIds(NamedTuple):
    """Integers that stand for the texts of an event. `target` is the user of a member event."""

    type: int
    slot: int | None
    sender: int
    target: int | None


@dataclass(slots=True)
class Accepted:
    """An authorised event on its way into the timeline of its room.

    `room` and `nid`, which is also its position, are known once it is numbered.
    """

    event: Event
    short_ids: ShortIds
    state_before: int
    state_after: int
    replaces: Event | None
    client: bytes
    federation: bytes
    transaction: TransactionKey | None = None
    room: int = 0
    nid: int = 0


class Projection(Protocol):
    """A read model that changes in the same transaction as its cause. Listed in `homeserver.app`."""

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Writes what the events mean for this read model; runs in the writer's thread, perhaps twice."""

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        """After the commit, in the reactor's thread: brings caches up to date, names topics to wake."""


@dataclass(slots=True)
class Append:
    """Events of one room that follow each other, built on a head that had `expected` as its extremities.

    A new room expects nothing and has no nid yet.
    """

    room: int | None
    expected: tuple[EventID, ...]
    events: list[Accepted]
    head: HeadRow


class RoomAppends:
    """How appends are stored (an EntryKind): batches of all rooms in a handful of statements."""

    def __init__(self, clock: Clock, projections: Sequence[Projection]) -> None:
        self._clock = clock
        self._projections = projections

    def count(self, entry: Append) -> int:
        return len(entry.events)

    def store(self, txn: Transaction, batch: Sequence[Placed[Append]]) -> None:
        heads = self._check(txn, batch)
        events = [event for placed in batch if placed.refused is None for event in placed.entry.events]
        if not events:
            return
        self._store_heads(txn, heads, batch)
        nids = _NidsInBatch(txn, events)
        insert_events(txn, [_row(event, nids) for event in events])
        insert_bodies(txn, [(event.nid, event.client, event.federation) for event in events])
        _store_spans(txn, events)
        made = [(event.transaction, event.event.event_id) for event in events if event.transaction]
        if made:
            insert_transactions(txn, made, self._clock.now_ms())
        for projection in self._projections:
            projection.project(txn, events)

    def stored(self, batch: Sequence[Placed[Append]]) -> Iterable[Topic]:
        events = [event for placed in batch for event in placed.entry.events]
        EVENTS_ACCEPTED.inc(len(events))
        topics: set[Topic] = {("room", event.room) for event in events}
        for projection in self._projections:
            topics.update(projection.projected(events))
        return topics

    def _check(self, txn: Transaction, batch: Sequence[Placed[Append]]) -> dict[int, tuple[EventID, ...]]:
        """Refuses what was built on another head than the room has, or was sent before; numbers the rest."""
        known = [placed.entry.room for placed in batch if placed.entry.room is not None]
        heads = {nid: row.extremities for nid, row in heads_by_nid(txn, known).items()}
        sent = made_events(txn, [key for placed in batch for key in _transactions(placed.entry)])
        for placed in batch:
            entry = placed.entry
            repeated = next((sent[key] for key in _transactions(entry) if key in sent), None)
            if repeated is not None:
                placed.refused = AlreadySent(repeated)
            elif entry.room is not None and heads.get(entry.room) != entry.expected:
                placed.refused = StaleHead(entry.head.room_id)
            else:
                room = entry.room if entry.room is not None else placed.first
                heads[room] = entry.head.extremities
                for offset, event in enumerate(entry.events):
                    event.room, event.nid = room, placed.first + offset
        return heads

    def _store_heads(
        self, txn: Transaction, heads: Mapping[int, object], batch: Sequence[Placed[Append]]
    ) -> None:
        newest: dict[int, HeadRow] = {}
        new_rooms: list[HeadRow] = []
        for placed in batch:
            if placed.refused is not None:
                continue
            room = placed.entry.events[0].room
            if placed.entry.room is None:
                new_rooms.append(placed.entry.head._replace(nid=room))
            else:
                newest[room] = placed.entry.head
        if new_rooms:
            insert_heads(txn, new_rooms)
        if newest:
            update_heads(txn, list(newest.values()))


def _transactions(entry: Append) -> list[TransactionKey]:
    return [event.transaction for event in entry.events if event.transaction is not None]


class _NidsInBatch:
    """Short ids of events that others of the batch replace: from the batch itself, else from the table."""

    def __init__(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        self._nids = {event.event.event_id: event.nid for event in events}
        wanted = [event.replaces.event_id for event in events if event.replaces is not None]
        missing = [event_id for event_id in wanted if event_id not in self._nids]
        if missing:
            self._nids |= event_nids(txn, missing)

    def replaced_by(self, event: Accepted) -> int | None:
        return None if event.replaces is None else self._nids.get(event.replaces.event_id)


def _row(accepted: Accepted, nids: _NidsInBatch) -> EventRow:
    event, short_ids = accepted.event, accepted.short_ids
    return EventRow(
        nid=accepted.nid,
        event_id=event.event_id,
        room=accepted.room,
        position=accepted.nid,
        type=short_ids.type,
        slot=short_ids.slot,
        sender=short_ids.sender,
        depth=event.depth,
        origin_server_ts=event.origin_server_ts,
        state_before=accepted.state_before,
        state_after=accepted.state_after,
        replaces=nids.replaced_by(accepted),
    )


def _store_spans(txn: Transaction, events: Sequence[Accepted]) -> None:
    """Opens a span for each state event and closes the one before it, which may be of the same batch."""
    open_spans: dict[tuple[int, int], Span] = {}
    closed: list[tuple[int, int, int]] = []
    spans: list[Span] = []
    for event in events:
        slot = event.short_ids.slot
        if slot is None or event.state_after == event.state_before:
            continue
        earlier = open_spans.get((event.room, slot))
        if earlier is not None:
            spans.append(earlier._replace(to_line=event.state_after))
        elif event.replaces is not None:
            closed.append((event.room, slot, event.state_after))
        open_spans[event.room, slot] = Span(event.room, slot, event.state_after, OPEN, event.nid)
    spans.extend(open_spans.values())
    if closed:
        close_spans(txn, closed)
    if spans:
        insert_spans(txn, spans)


@dataclass(slots=True)
class NewRoom:
    """A room that does not exist yet: events are appended to its head in memory and stored all together."""

    head: Head
    events: list[Accepted] = field(default_factory=list)


class Ingest:
    """Stores authorised events at the head of their room."""

    def __init__(
        self,
        journal: Journal,
        appends: RoomAppends,
        heads: Heads,
        users: Dictionary[UserID],
        slots: Dictionary[Slot],
        types: Dictionary[str],
    ) -> None:
        self._journal = journal
        self._appends = appends
        self._heads = heads
        self._users = users
        self._slots = slots
        self._types = types

    async def accept(
        self, head: Head, event: Event, transaction: TransactionKey | None = None
    ) -> Deferred[Position]:
        """Moves `head` to `event` and queues it; the Deferred fires with its position when it is stored.

        The room's lock must be held until this returns, not until the Deferred fires. The Deferred fails with
        StaleHead where the event must be built again, with AlreadySent where its transaction ID is taken.
        """
        expected = head.extremities
        accepted = await self._accepted(head, event, transaction)
        head.advance(event)
        head.unstored.add(event.event_id)
        stored = self._journal.append(self._appends, Append(head.nid, expected, [accepted], head.row()))
        stored.addBoth(_no_longer_unstored, head, event.event_id)
        return stored.addErrback(lambda failure: self._undo(failure, head))

    async def add(self, room: NewRoom, event: Event) -> None:
        """Appends to a room that is being made."""
        room.events.append(await self._accepted(room.head, event, None))
        room.head.advance(event)

    async def accept_room(self, room: NewRoom) -> Position:
        """Stores a new room with all its events, or nothing of it."""
        position = await self._journal.append(self._appends, Append(None, (), room.events, room.head.row()))
        room.head.nid = room.events[0].room
        self._heads.put(room.head)
        return position

    def _undo(self, failure: Failure, head: Head) -> Failure:
        # Everything queued behind the failed event expects it, and is refused in its turn. That must not harm what
        # is built on a new head by then, or a busy room would never come to rest.
        self._heads.abandon(head)
        return failure

    async def _accepted(self, head: Head, event: Event, transaction: TransactionKey | None) -> Accepted:
        client, federation = stored_forms(event)
        line = head.state_line
        return Accepted(
            event=event,
            short_ids=await self._short_ids(event),
            state_before=line,
            state_after=line + 1 if event.is_state else line,
            replaces=head.state.get(event.slot) if event.is_state else None,
            client=client,
            federation=federation,
            transaction=transaction,
        )

    async def _short_ids(self, event: Event) -> ShortIds:
        is_member = event.is_state and event.type == "m.room.member"
        return ShortIds(
            type=await self._types.nid_of(event.type),
            slot=await self._slots.nid_of(event.slot) if event.is_state else None,
            sender=await self._users.nid_of(event.sender),
            target=await self._users.nid_of(UserID(event.slot[1])) if is_member else None,
        )


def _no_longer_unstored(outcome: Position | Failure, head: Head, event_id: EventID) -> Position | Failure:
    head.unstored.discard(event_id)
    return outcome
