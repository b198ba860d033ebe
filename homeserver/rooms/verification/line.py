"""What the events of a timeline, one after the other, do to their room's line and head."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from homeserver.protocol.event import Slot
from homeserver.protocol.identifiers import EventID
from homeserver.rooms.graph.receipt import MOST_EXTREMITIES
from homeserver.rooms.store.overrides import StateRef
from homeserver.rooms.store.spans import EVER, OPEN, Span, slot_names
from homeserver.rooms.store.whole_rooms import Place
from homeserver.rooms.store.whole_rooms_spans import values_changed_at
from homeserver.rooms.verification.events import Known, RoomEvents, Undecided
from homeserver.rooms.verification.states import States
from homeserver.storage.engine import Transaction


class Step(NamedTuple):
    """Where an event stands, and what it changes: the event by slot, as short ids, None where nothing stands any more.

    `earlier` has what stood there before, `ended` the spans that end. `is_decided` is False where what is stored was
    believed, as the event's change could not be found out.
    """

    place: Place
    changes: Mapping[int, int | None] = {}
    earlier: Mapping[int, int] = {}
    ended: tuple[Span, ...] = ()
    is_decided: bool = True


class _Tip(NamedTuple):
    after: StateRef
    depth: int


class Line:
    """The room after the events that were fed to it, in the order of their positions.

    Holds some words for each slot.
    """

    def __init__(
        self, txn: Transaction, events: RoomEvents, states: States, first: Mapping[int, int]
    ) -> None:
        """`first` is the state, event by slot, that the line begins with."""
        self._txn = txn
        self._room = events.room.nid
        self._events = events
        self._states = states
        self._state = dict(first)
        self._since = dict.fromkeys(first, EVER)
        self._numbers: dict[Slot, int] = {}
        self._name(first)
        self._tips: dict[EventID, _Tip] = {}
        self.number = 0
        self.depth = 0

    @property
    def extremities(self) -> tuple[EventID, ...]:
        return tuple(self._tips)

    def value(self, slot: Slot) -> Known | None:
        """The event in a slot at the end of the line so far. Raises Undecided."""
        number = self._numbers.get(slot)
        nid = None if number is None else self._state.get(number)
        return None if nid is None else self._events.known(nid)

    def open_spans(self) -> Iterator[Span]:
        for slot, nid in self._state.items():
            yield Span(self._room, slot, self._since[slot], OPEN, nid)

    def follow(self, known: Known) -> Step:
        row = known.row
        if row.slot is not None and known.slot is not None:
            self._numbers.setdefault(known.slot, row.slot)
        replaces, is_decided = self._replaces(known)
        if row.is_history:
            return Step(Place(self.number, self.number, replaces), is_decided=is_decided)
        try:
            rest = self._other_tips(known)
            if len(rest) >= MOST_EXTREMITIES:
                # There were branches enough without it.
                self.depth = max(self.depth, row.depth)
                return Step(Place(self.number, self.number, replaces), is_decided=is_decided)
            changes = self._changes(known, rest)
            # What a branch brings may be of slots that no event of the timeline was in.
            self._name(changes.keys() - {row.slot})
        except Undecided:
            rest, is_decided = {}, False
            moved = row.state_after != row.state_before
            changes = values_changed_at(self._txn, self._room, row.state_after) if moved else {}
            self._name(changes)
        place = Place(self.number, self.number + bool(changes), replaces)
        earlier = {slot: self._state[slot] for slot in changes if slot in self._state}
        ended = self._change(place.state_after, changes)
        own = row.own_states
        after = StateRef(place.state_after) if own is None or row.is_linear else own.after
        self._tips = {**rest, row.event_id: _Tip(after, row.depth)}
        self.depth = max(self.depth, row.depth)
        return Step(place, changes, earlier, ended, is_decided)

    def _name(self, slots: Collection[int]) -> None:
        if slots:
            self._numbers.update({name: slot for slot, name in slot_names(self._txn, slots).items()})

    def _replaces(self, known: Known) -> tuple[int | None, bool]:
        row = known.row
        if row.slot is None:
            return None, True
        own = row.own_states
        if row.is_linear or own is None:
            return self._state.get(row.slot), True
        try:
            return self._states.event_in(own.before, row.slot), True
        except Undecided:
            return row.replaces, False

    def _changes(self, known: Known, rest: Mapping[EventID, _Tip]) -> Mapping[int, int | None]:
        row = known.row
        if row.is_linear and not rest:
            return {} if row.slot is None else {row.slot: row.nid}
        own = row.own_states
        before = StateRef(self.number) if row.is_linear or own is None else own.before
        after = self._states.after(row, before, [tip.after for tip in rest.values()])
        return self._states.changes_of_line(self.number, after)

    def _change(self, number: int, changes: Mapping[int, int | None]) -> tuple[Span, ...]:
        """Moves to a number of the line; the spans that end there."""
        ended = tuple(
            Span(self._room, slot, self._since[slot], number, self._state[slot])
            for slot in changes
            if slot in self._state
        )
        for slot, nid in changes.items():
            if nid is None:
                self._state.pop(slot, None)
            else:
                self._state[slot] = nid
                self._since[slot] = number
        self.number = number
        return ended

    def _other_tips(self, known: Known) -> dict[EventID, _Tip]:
        """The extremities that the event does not follow."""
        # Nothing is known of an event that cannot be read; most follow all that was there.
        if known.event is None or self._tips.keys() <= set(known.event.prev_events):
            return {}
        position = known.row.position
        assert position is not None, "only events of the timeline are followed"
        followed = self._followed(known.event.prev_events, position)
        return {one: tip for one, tip in self._tips.items() if one not in followed}

    def _followed(self, predecessors: tuple[EventID, ...], position: int) -> set[EventID]:
        """What an event follows, also by way of those that had been refused by then and so were no extremities."""
        followed: set[EventID] = set()
        pending = set(predecessors)
        while pending:
            followed |= pending
            near = self._events.near(pending)
            refused = [
                one
                for one, vertex in near.items()
                if vertex.refused_at is not None and vertex.refused_at < position
            ]
            found = self._events.by_ids(refused).values()
            pending = {prev for one in found if one.event for prev in one.event.prev_events} - followed
        return followed
