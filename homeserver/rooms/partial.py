"""Rooms that were entered without most of their members, which are fetched behind.

https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2send_joinroomideventid (`omit_members`)
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from homeserver.protocol.errors import ServerUnavailable
from homeserver.protocol.event import Event, Slot
from homeserver.protocol.events import from_stored
from homeserver.protocol.identifiers import EventID, RoomID, ServerName, UserID
from homeserver.rooms.appends import Accepted, Projection, StateChange
from homeserver.rooms.completed import CompletedRooms
from homeserver.rooms.graph.auth_graph import UnknownEvents
from homeserver.rooms.graph.newcomer import GivenState
from homeserver.rooms.graph.vertices import Aside, ShortIds
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.rejudging import Rejudging
from homeserver.rooms.store.early_redactions import early_in
from homeserver.rooms.store.events import correct_replaced, event_nids, stored_pdus
from homeserver.rooms.store.partial import (
    PartialRow,
    delete_partial,
    insert_partial,
    is_partial,
    partial_rooms,
)
from homeserver.rooms.store.spans import EVER, OPEN, Span, correct_first_spans, first_spans, insert_spans
from homeserver.rooms.store.taking_back import has_refused_after
from homeserver.rooms.verification.stored import Unreadable
from homeserver.runtime.locks import KeyedLocks
from homeserver.storage.database import Database
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal, Topic
from homeserver.streams.waiting import Waiting

log = logging.getLogger(__name__)

_MEMBER = "m.room.member"
_PATIENCE_SECONDS = 25.0
"""Less than clients wait for an answer."""


@dataclass(frozen=True, slots=True)
class WholeRoom:
    """A room (short id) of which all members are known. What needs all of them asks for this; see `PartialRooms`."""

    nid: int


class _Member(NamedTuple):
    """A member event with short ids: its own, that of its slot, and that of its user."""

    event: Event
    nid: int
    slot: int
    user: int


class PartialRooms:
    """Knows which rooms are not whole, and fills in members.

    A member that is filled in holds from ever on the room's line, up to the first change that is known: every state
    that was stored meanwhile has it at once.
    """

    def __init__(
        self,
        heads: Heads,
        users: Dictionary[UserID],
        slots: Dictionary[Slot],
        locks: KeyedLocks[RoomID],
        waiting: Waiting,
        db: Database,
        journal: Journal,
        completed: CompletedRooms,
        projections: Sequence[Projection],
        rejudging: Rejudging,
    ) -> None:
        """`projections` are those that know who is where; no other is told of members that were always there."""
        self._heads = heads
        self._users = users
        self._slots = slots
        self._locks = locks
        self._waiting = waiting
        self._db = db
        self._journal = journal
        self._completed = completed
        self._projections = projections
        self._rejudging = rejudging
        # Perhaps more than there are, never fewer.
        self._rooms: set[int] | None = None
        self._entered: Callable[[], None] = lambda: None

    def start_at(self, _: int) -> None:
        """Nothing is known, whatever was known before."""
        self._rooms = None

    async def all(self) -> Sequence[PartialRow]:
        """The rooms that are not whole."""
        # It is asked for often, and there rarely are any.
        return () if self._rooms == set() else await self._db.read(partial_rooms)

    async def whole(self, room: int) -> WholeRoom:
        """The room (short id), once it is whole. Raises ServerUnavailable where that takes too long."""
        if await self._row(room) is not None and not await self._is_whole_soon(room):
            raise ServerUnavailable("The room's members are still being fetched; try again")
        return WholeRoom(room)

    async def wait_for(self, rooms: Iterable[int]) -> None:
        """Waits until the rooms are whole, or as long as anybody can be kept waiting."""
        perhaps = await self._perhaps()
        for room in perhaps.intersection(rooms) if perhaps else ():
            if await self._row(room) is not None:
                await self._is_whole_soon(room)

    def listen(self, entered: Callable[[], None]) -> None:
        """Who fetches the members; told when a room was entered without them."""
        self._entered = entered

    async def learn(self, head: Head, event: Event) -> bool:
        """Believes what an event of a partial room cites of members who are not known; whether that was news.

        The room's lock is held. Raises UnknownEvents where the cited events are not here. The head is another after it.
        """
        row = await self._row(head.nid)
        if row is None:
            return False
        here = await self._db.read(event_nids, list(event.auth_events))
        missing = [event_id for event_id in event.auth_events if event_id not in here]
        if missing:
            raise UnknownEvents(missing)
        members = await self._members(event.auth_events, head)
        if not members or not await self._unknown(head.nid, members):
            return False
        await head.settled()
        await self._fill(head, row, members, is_end=False)
        return True

    async def join_of(self, row: PartialRow) -> Event:
        """The join by which the room was entered."""
        head = await self._heads.get(row.room_id)
        return (await self._events([row.event_id], head))[row.event]

    async def complete(
        self, row: PartialRow, given: GivenState, at_hand: Mapping[EventID, Aside] = MappingProxyType({})
    ) -> None:
        """`given` is the whole state before the join by which the room was entered; its events are here.

        Those `at_hand` are not read again.
        """
        async with self._locks.held(row.room_id):
            head = await self._heads.get(row.room_id)
            await head.settled()
            if await self._row(row.room) is not None:
                wanted = [event_id for slot, event_id in given.items() if slot[0] == _MEMBER]
                members = list(_of_asides(at_hand[event_id] for event_id in wanted if event_id in at_hand))
                members += await self._members([one for one in wanted if one not in at_hand], head)
                await self._finish(head, row, members)
        try:
            # First, so that those who wait for all members are not told of them once more.
            await self._completed.tell()
        finally:
            self._waiting.wake([_topic(row.room)])

    async def _finish(self, head: Head, row: PartialRow, members: Sequence[_Member]) -> None:
        try:
            await self._fill(head, row, members, is_end=True)
        except (UnknownEvents, Unreadable) as error:
            # Better than a room that never is whole; `folkmoot verify` names what is wrong with it.
            log.warning("Not judged again: what came to %s without its members: %s", row.room_id, error)
            await self._fill(head, row, members, is_end=True, judges=False)

    async def _is_whole_soon(self, room: int) -> bool:
        await self._waiting.until([_topic(room)], _PATIENCE_SECONDS)
        return await self._row(room) is None

    async def _row(self, room: int) -> PartialRow | None:
        if room not in await self._perhaps():
            return None
        rows = await self._db.read(partial_rooms, room)
        return rows[0] if rows else None

    async def _perhaps(self) -> set[int]:
        """Rooms that may not be whole; no other is."""
        if self._rooms is None:
            self._rooms = {row.room for row in await self.all()}
        return self._rooms

    async def _members(self, event_ids: Collection[EventID], head: Head) -> list[_Member]:
        """Those of the events that are of members."""
        events = await self._events(event_ids, head) if event_ids else {}
        found = [(nid, one, one.slot) for nid, one in events.items() if one.is_state and one.type == _MEMBER]
        users = await self._users.nids_of(UserID(state_key) for _, _, (_, state_key) in found)
        slots = await self._slots.nids_of(slot for _, _, slot in found)
        return [_Member(one, nid, slots[slot], users[UserID(slot[1])]) for nid, one, slot in found]

    async def _events(self, event_ids: Collection[EventID], head: Head) -> dict[int, Event]:
        """By their short ids."""
        pdus = await self._db.read(stored_pdus, head.nid, list(event_ids))
        return {
            pdu.nid: from_stored(pdu.client, pdu.federation, head.room_id, head.version)
            for pdu in pdus
            if not pdu.is_rejected
        }

    async def _unknown(self, room: int, members: Sequence[_Member]) -> bool:
        slots = {member.slot for member in members}
        return len(await self._db.read(first_spans, room, slots)) < len(slots)

    async def _fill(
        self,
        head: Head,
        row: PartialRow,
        members: Sequence[_Member],
        *,
        is_end: bool,
        judges: bool = True,
    ) -> None:
        cause = _cause(row, await self.join_of(row), row.servers if is_end else ())
        again = await self._db.write(self._write, row, cause, members, is_end, judges)
        # It knows these slots to be empty.
        self._heads.discard(row.room_id)
        for projection in self._projections:
            projection.projected([cause])
        if again:
            # What is in memory may be of events that have another place now, or none.
            self._journal.forget()

    def _write(
        self,
        txn: Transaction,
        row: PartialRow,
        cause: Accepted,
        told: Sequence[_Member],
        is_end: bool,
        judges: bool,
    ) -> bool:
        """Whether the room's events were judged again."""
        cause.changes = ()
        if not is_partial(txn, row.room):
            # Another process was faster, or the room was removed.
            return False
        members = {member.slot: member for member in told}
        known = first_spans(txn, cause.room, members)
        new = [member for member in members.values() if member.slot not in known]
        insert_spans(txn, [Span(cause.room, member.slot, EVER, OPEN, member.nid) for member in new])
        wrong = _correct(txn, cause, members, known) if is_end else []
        cause.changes = [
            *(StateChange(one.slot, one.event, one.user, False, EVER, one.nid) for one in new),
            *(StateChange(one.slot, one.event, one.user, True, None, one.nid) for one in wrong),
        ]
        self._project(txn, cause)
        if not is_end:
            return False
        delete_partial(txn, row.room)
        self._completed.add(txn, row.room)
        was_right = all(
            span.event == members[slot].nid and span.from_line == EVER for slot, span in known.items()
        )
        if not judges or (was_right and not _has_doubtful_events(txn, row)):
            return False
        changes = self._rejudging.judge_again(txn, row)
        self._project(txn, replace(cause, changes=changes, servers={}))
        self._rejudging.derive_again(txn, row.room)
        return True

    def _project(self, txn: Transaction, cause: Accepted) -> None:
        for projection in self._projections:
            projection.project(txn, [cause])

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Notes rooms that are entered without their members."""
        for event in events:
            if event.servers:
                insert_partial(txn, event.room, event.nid, list(event.servers))

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        if any(event.servers for event in events):
            self._rooms = None
            self._entered()
        return ()


def _correct(
    txn: Transaction, cause: Accepted, members: Mapping[int, _Member], known: Mapping[int, Span]
) -> list[_Member]:
    """Puts right what was believed of the members, who are by slot; those of whom that is the present value."""
    room = cause.room
    late = [one for one in known.values() if one.from_line != EVER]
    insert_spans(txn, [Span(room, one.slot, EVER, one.from_line, members[one.slot].nid) for one in late])
    wrong = [one for one in known.values() if one.from_line == EVER and one.event != members[one.slot].nid]
    correct_first_spans(txn, room, [(one.slot, members[one.slot].nid) for one in wrong])
    believed = [(one.slot, None) for one in late] + [(one.slot, one.event) for one in wrong]
    correct_replaced(
        txn, room, cause.position, [(slot, event, members[slot].nid) for slot, event in believed]
    )
    return [members[one.slot] for one in wrong if one.to_line == OPEN]


def _has_doubtful_events(txn: Transaction, row: PartialRow) -> bool:
    """Whether events were refused meanwhile, or could not redact what was not here."""
    early = event_nids(txn, [target for target, _ in early_in(txn, row.room)])
    return bool(early) or has_refused_after(txn, row.room, row.position)


def _cause(row: PartialRow, join: Event, servers: Sequence[ServerName]) -> Accepted:
    """The join once more, as projections were told of it; they are told now what else it would have brought."""
    return Accepted(
        event=join,
        short_ids=ShortIds(0, None, 0, None),
        client=b"",
        federation=b"",
        state_before=0,
        state_after=0,
        room=row.room,
        nid=row.event,
        position=row.position,
        known=row.event,
        is_told_again=True,
        servers=dict.fromkeys(servers, -1),
    )


def _of_asides(asides: Iterable[Aside]) -> Iterator[_Member]:
    for aside in asides:
        slot, user = aside.short_ids.slot, aside.short_ids.target
        if slot is not None and user is not None:
            yield _Member(aside.event, aside.nid, slot, user)


def _topic(room: int) -> tuple[str, int]:
    return ("whole room", room)
