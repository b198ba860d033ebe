"""Deriving rooms anew from their events."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from homeserver.protocol.events import Event
from homeserver.rooms.appends import Accepted, Projection, StateChange
from homeserver.rooms.graph.vertices import ShortIds
from homeserver.rooms.store.early_redactions import forget_early_in, remember_early
from homeserver.rooms.store.graph import add_missing, missing_events, remove_missing
from homeserver.rooms.store.heads import HeadRow, heads_by_nid, update_heads
from homeserver.rooms.store.redacted_content import retain_again
from homeserver.rooms.store.spans import EVER, OPEN, Span, close_spans, insert_spans
from homeserver.rooms.store.whole_rooms import (
    Place,
    redaction_marks,
    rewrite_auth_edges,
    rewrite_members,
    rewrite_place,
    rewrite_redaction_marks,
    room_nids,
)
from homeserver.rooms.store.whole_rooms_spans import begin_line
from homeserver.rooms.verification.edges import Gaps, wrong_edges
from homeserver.rooms.verification.events import Known, RoomEvents, Undecided
from homeserver.rooms.verification.line import Step
from homeserver.rooms.verification.replay import Replay
from homeserver.rooms.verification.states import wrong_states
from homeserver.rooms.verification.stored import Unreadable
from homeserver.storage.engine import Connection, Transaction


class Rebuildable(Projection, Protocol):
    """A read model of rooms that `project` fills again, from a whole timeline, once its rows are forgotten.

    Listed in `homeserver.app`.
    """

    def forget_room(self, txn: Transaction, room: int) -> None:
        """Deletes what was derived from the events of a room."""


def rebuild(
    connection: Connection, rebuildables: Sequence[Rebuildable], now_ms: int, say: Callable[[str], None]
) -> None:
    """Derives every room anew from its events, each in one transaction. No server may be running.

    `say` is told of each room that cannot be derived, and is left as it is.
    """
    with connection.reading() as txn:
        rooms = room_nids(txn)
    for room in rooms:
        try:
            with connection.writing(ordered=True) as txn:
                rebuild_room(txn, room, rebuildables, now_ms)
        except Unreadable as error:
            say(f"Not rebuilt: {error}")


def rebuild_room(txn: Transaction, room: int, rebuildables: Sequence[Rebuildable], now_ms: int) -> None:
    """Derives one room anew, whose places and states off the line are right. Raises Unreadable."""
    _Rebuilding(txn, heads_by_nid(txn, [room])[room], now_ms).run(rebuildables)


class _Rebuilding:
    """Of one room, in two rounds: the second one fills what reads the results of the first."""

    def __init__(self, txn: Transaction, head: HeadRow, now_ms: int) -> None:
        self._txn = txn
        self._head = head
        self._room = head.nid
        self._now_ms = now_ms

    def run(self, rebuildables: Sequence[Rebuildable]) -> None:
        """Raises Unreadable where the room cannot be derived."""
        events = RoomEvents(self._txn, self._head)
        self._rewrite_edges(events)
        self._rewrite_derived(events)
        if rebuildables:
            self._fill(rebuildables)

    def _rewrite_edges(self, events: RoomEvents) -> None:
        """First of all, as resolving states goes by edges; sees to it that all events can be read, too."""
        gaps = Gaps(events, missing_events(self._txn, self._room))
        for page in _all_pages(events):
            for known in page:
                self._require_readable(events, known)
                gaps.follow(known)
            rewrite_auth_edges(self._txn, *wrong_edges(self._txn, self._room, page))
        for event_id, position in gaps.unknown():
            add_missing(self._txn, self._room, [event_id], position)
        remove_missing(self._txn, self._room, gaps.needless())

    def _require_readable(self, events: RoomEvents, known: Known) -> None:
        if known.event is None:
            try:
                events.read(known.row)
            except Unreadable as error:
                event_id = known.row.event_id
                raise Unreadable(f"{self._head.room_id}, whose event {event_id} {error}") from None

    def _rewrite_derived(self, events: RoomEvents) -> None:
        txn = self._txn
        replay = Replay(txn, self._head, events)
        begin_line(txn, self._room, replay.first)
        for page in events.timeline():
            replay.states.begin_anew()
            for known in page:
                self._rewrite_place(events, replay, known)
        for page in events.beside():
            replay.states.begin_anew()
            for known in page:
                self._require_states(events, replay, known)
        rewrite_redaction_marks(txn, self._room, replay.redactions.marks(redaction_marks(txn, self._room)))
        forget_early_in(txn, self._room)
        remember_early(txn, sorted(replay.redactions.early | replay.redactions.perhaps_early))
        retain_again(txn, self._room, self._now_ms)
        rewrite_members(txn, self._room, replay.members.members)
        update_heads(txn, [replay.head()])

    def _rewrite_place(self, events: RoomEvents, replay: Replay, known: Known) -> None:
        """Writes the line behind an event at once, as resolving the next states goes by it."""
        step, row = self._advanced(replay, known), known.row
        self._write_spans(step)
        if Place(row.state_before, row.state_after, row.replaces) != step.place:
            rewrite_place(self._txn, row.nid, step.place)
            events.forget_near()
        if row.on_fork:
            self._require_states(events, replay, known)

    def _require_states(self, events: RoomEvents, replay: Replay, known: Known) -> None:
        """States off the line are not derived anew; what follows from them must not be worse than before."""
        try:
            wrong = next(wrong_states(known, replay.states, events, replay.line.number), None)
        except Undecided:
            return
        if wrong is not None:
            raise Unreadable(f"{self._head.room_id}, whose event {known.row.event_id} differs in {wrong}")

    def _advanced(self, replay: Replay, known: Known) -> Step:
        step = replay.advance(known)
        if not step.is_decided:
            raise Unreadable(
                f"{self._head.room_id}, as the states around its event {known.row.event_id} are damaged"
            )
        return step

    def _write_spans(self, step: Step) -> None:
        number = step.place.state_after
        if step.ended:
            close_spans(self._txn, [(self._room, span.slot, number) for span in step.ended])
        begun = [(slot, nid) for slot, nid in step.changes.items() if nid is not None]
        if begun:
            insert_spans(self._txn, [Span(self._room, slot, number, OPEN, nid) for slot, nid in begun])

    def _fill(self, rebuildables: Sequence[Rebuildable]) -> None:
        events = RoomEvents(self._txn, self._head)
        replay = Replay(self._txn, self._head, events)
        for each in rebuildables:
            each.forget_room(self._txn, self._room)
        first: Mapping[int, int] = replay.first
        for page in events.timeline():
            replay.states.begin_anew()
            accepted = []
            for known in page:
                step = self._advanced(replay, known)
                is_history = bool(known.row.is_history)
                accepted.append(_accepted(events, known, step, {} if is_history else first))
                first = first if is_history else {}
            for each in rebuildables:
                each.project(self._txn, accepted)


def _all_pages(events: RoomEvents) -> Iterator[list[Known]]:
    yield from events.timeline()
    yield from events.beside()


def _accepted(events: RoomEvents, known: Known, step: Step, first: Mapping[int, int]) -> Accepted:
    """The event as it was when it came; `first` is the state that came with it."""
    row, event = known
    assert event is not None, "it was read before"
    assert row.client is not None, "so it has a body"
    assert row.federation is not None, "in two halves"
    assert row.position is not None, "it is of a timeline"
    return Accepted(
        event=event,
        short_ids=ShortIds(row.type_nid, row.slot, row.sender_nid, row.target),
        client=row.client,
        federation=row.federation,
        room=row.room,
        nid=row.nid,
        position=row.position,
        state_before=step.place.state_before,
        state_after=step.place.state_after,
        changes=[
            *(_change(events, slot, nid, None, EVER) for slot, nid in first.items()),
            *(_change(events, slot, nid, step.earlier.get(slot), None) for slot, nid in step.changes.items()),
        ],
        known=row.nid,
        is_late=True,
    )


def _change(
    events: RoomEvents, slot: int, nid: int | None, earlier: int | None, from_line: int | None
) -> StateChange:
    stood = nid if nid is not None else earlier
    assert stood is not None, "a slot that changes has an event, or had one"
    known = events.known(stood)
    event: Event | None = None if nid is None else known.event
    return StateChange(slot, event, known.row.target, earlier is not None, from_line, stood)
