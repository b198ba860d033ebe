"""The states around events: what is stored of them, and what resolving those after their predecessors gives."""

from collections.abc import Collection, Iterator

from homeserver.protocol.event import Slot
from homeserver.protocol.events import Event
from homeserver.rooms.graph.newcomer import NOTHING
from homeserver.rooms.graph.resolution import Resolver, State
from homeserver.rooms.store.graph import EventStates, GraphEvent
from homeserver.rooms.store.overrides import StateRef
from homeserver.rooms.store.spans import slot_nids
from homeserver.rooms.store.whole_rooms import StoredEvent
from homeserver.rooms.verification.events import Known, RoomEvents, Undecided, deciding
from homeserver.storage.engine import Transaction


class States:
    """Reads and compares states of one room within one transaction. What is asked raises Undecided."""

    def __init__(self, txn: Transaction, events: RoomEvents) -> None:
        self._txn = txn
        self._events = events
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forgets the events that were read, which would be all of them in the end."""
        self._resolver = Resolver(self._txn, self._events.room)

    def values(self, ref: StateRef, names: Collection[Slot]) -> dict[Slot, Known]:
        """The events in some slots."""
        with deciding():
            numbers = slot_nids(self._txn, names)
            found = self._resolver.values(self._resolver.read(ref), set(numbers.values()))
            return {name: self._events.known(found[slot]) for name, slot in numbers.items() if slot in found}

    def event_in(self, ref: StateRef, slot: int) -> int | None:
        """The short id of the event in one slot."""
        with deciding():
            return self._resolver.values(self._resolver.read(ref), {slot}).get(slot)

    def before(self, event: Event) -> State | None:
        """The state that follows from the event's predecessors; None where one of them, or its place, is not here."""
        if not event.prev_events:
            return NOTHING
        near = self._events.near(event.prev_events)
        if len(near) < len(set(event.prev_events)):
            return None
        refs = {None if one.states is None else one.states.after for one in near.values()}
        return self._resolved([ref for ref in refs if ref is not None]) if None not in refs else None

    def after(self, row: StoredEvent, before_ref: StateRef, others: Collection[StateRef] = ()) -> State:
        """The state after an event, by that before it; resolved with `others`."""
        with deciding():
            after = before = self._resolver.read(before_ref)
            if row.slot is not None and not row.is_rejected:
                after = State(before.line, {**before.changes, row.slot: row.nid})
            if not others:
                return after
            return self._resolver.resolve([*(self._resolver.read(ref) for ref in others), after])

    def changes_of_line(self, line: int, after: State) -> dict[int, int | None]:
        """What a state differs in from a number of the line, event by slot."""
        with deciding():
            return dict(self._resolver.relative_to(after, line))

    def is_stored_as(self, state: State, ref: StateRef) -> bool:
        if state == State(ref.line, {}) and ref.override is None:
            return True
        with deciding():
            stored = self._resolver.read(ref)
            return self._resolver.relative_to(state, ref.line) == self._resolver.relative_to(stored, ref.line)

    def _resolved(self, refs: Collection[StateRef]) -> State:
        with deciding():
            states = [self._resolver.read(ref) for ref in sorted(refs, key=repr)]
            return self._resolver.resolve(states)


def wrong_states(known: Known, states: States, events: RoomEvents, last: int) -> Iterator[str]:
    """What is wrong with the states around an event, whose line ends at `last`. Raises Undecided."""
    row, event = known
    if event is None:
        raise Undecided
    own = row.own_states
    if row.position is not None and bool(row.on_fork) != (own is not None):
        yield "room_event.on_fork"
    elif own is not None and not row.is_refused and row.position is None:
        yield "states of an event that has no place"
    elif own is None and row.is_refused and event.prev_events:
        yield "the states around it are not known"
    elif row.position is not None or own is not None:
        yield from _wrong_refs(row, event, states, events, last)


def _wrong_refs(
    row: StoredEvent, event: Event, states: States, events: RoomEvents, last: int
) -> Iterator[str]:
    own = row.own_states
    around = own or EventStates(StateRef(row.state_before), StateRef(row.state_after))
    if any(ref.line > last or (ref.line < 0 and ref.line != NOTHING.line) for ref in own or ()):
        yield "a state beyond the room's line"
        return
    if own is not None and not states.is_stored_as(states.after(row, own.before), own.after):
        yield "the state after it"
    before = states.before(event)
    if before is None:
        raise Undecided
    # The line begins with nothing.
    is_first = row.is_linear and not event.prev_events
    if not is_first and not states.is_stored_as(before, around.before):
        if not _was_resolved(row, events.near(event.prev_events).values()):
            raise Undecided
        yield "the state before it"


def _was_resolved(row: StoredEvent, predecessors: Collection[GraphEvent]) -> bool:
    """Whether the predecessors were all here when the event came, so that nobody told the state before it."""
    came_at = row.refused_at if row.position is None else row.position
    return not row.is_history and all(
        not one.is_history and _is_before(one.refused_at if one.position is None else one.position, came_at)
        for one in predecessors
    )


def _is_before(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one < other
