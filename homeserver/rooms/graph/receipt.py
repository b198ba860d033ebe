"""What becomes of an event that another server made: the checks on its receipt, and where it leaves the room.

https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from homeserver.protocol.event import Slot
from homeserver.protocol.event_auth import AuthRejected
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID
from homeserver.rooms.graph.auth_graph import RoomKey
from homeserver.rooms.graph.newcomer import GivenState, Newcomer
from homeserver.rooms.graph.resolution import State
from homeserver.rooms.graph.vertices import Fork, Refusal
from homeserver.rooms.store.events import event_ids
from homeserver.rooms.store.graph import graph_events
from homeserver.rooms.store.spans import events_at, slot_names
from homeserver.storage.engine import Transaction

MOST_EXTREMITIES = 20
"""As many as an event may name as its predecessors. One that would be more does not become an extremity."""


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a room stands: its head, as it is stored."""

    room: RoomKey
    line: int
    extremities: tuple[EventID, ...]


@dataclass(frozen=True, slots=True)
class SlotChange:
    """A slot of the current state, by name and short id, that gets or loses its event."""

    name: Slot
    slot: int
    event: Event | None
    takes_place: bool


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of the checks. What follows `refusal` is empty for an event that is refused.

    `known` is the number of an event that is here already, beside the timeline. `replaces` is what stood in its slot
    before it, `missing` what it names and is not here.
    """

    fork: Fork | None
    refusal: Refusal | None = None
    known: int | None = None
    changes: Sequence[SlotChange] = ()
    replaces: Event | None = None
    extremities: tuple[EventID, ...] = ()
    missing: Collection[EventID] = ()


class MustBeStored(Exception):
    """The event takes part in a state resolution, so it must be stored, beside the timeline, before its receipt."""


def receive(
    txn: Transaction,
    tip: Tip,
    event: Event,
    slot: int | None,
    given: GivenState | None = None,
    is_taken_in: bool = False,
) -> Receipt | None:
    """Checks an event; writes nothing. None where the event is in the timeline, or was refused, already.

    `slot` is the short id of that of a state event. Without `given`, the event's predecessors must be here.
    An event that `is_taken_in` elsewhere is not held against the current state.
    Raises UnknownEvents where events are needed that are not here, MustBeStored.
    """
    return _Receiving(txn, tip, event, slot, is_taken_in).receipt(given)


class _Receiving:
    def __init__(self, txn: Transaction, tip: Tip, event: Event, slot: int | None, is_taken_in: bool) -> None:
        self._txn = txn
        self._tip = tip
        self._event = event
        self._slot = slot
        self._is_taken_in = is_taken_in
        self._newcomer = Newcomer(txn, tip.room, event, tip.extremities)
        self._near = self._newcomer.near
        self._known = self._newcomer.known
        self._states = self._newcomer.states

    def receipt(self, given: GivenState | None) -> Receipt | None:
        if self._newcomer.is_done:
            return None
        if not self._event.prev_events:
            return self._of_beginning()
        before = self._state_before(given)
        refusal = self._refusal(before)
        if refusal is not None:
            return Receipt(Fork(before), refusal, self._known)
        return self._accepted(before)

    def _of_beginning(self) -> Receipt | None:
        if self._known is not None:
            # The room's create event, which has been beside the timeline since the room was entered.
            return None
        return Receipt(None, Refusal("Only a room's create event follows nothing", soft=False))

    def _state_before(self, given: GivenState | None) -> State:
        """The state before the event; that of the end of the room's line, where it is the same."""
        before = self._newcomer.state_before(given, self._tip.line)
        if given is not None:
            # Whoever tells of the state may leave things out. What is known for certain has its say.
            before = self._states.resolve([*self._newcomer.states_around, before])
        differs = self._states.relative_to(before, self._tip.line)
        return before if differs else State(self._tip.line, {})

    def _accepted(self, before: State) -> Receipt:
        event, rest = self._event, self._other_extremities()
        if len(rest) >= MOST_EXTREMITIES:
            return self._beside_the_others(before)
        if event.is_state and rest and self._known is None:
            raise MustBeStored
        changes = self._changes(before, rest)
        # Beside other branches the event may change the room's state but not its own, even if it is no state event.
        is_linear = (
            before.line == self._tip.line
            and not before.changes
            and not (rest and (event.is_state or changes))
        )
        return Receipt(
            fork=None if is_linear else Fork(before, after_is_current=not rest),
            known=self._known,
            changes=changes,
            replaces=self._replaced(before),
            extremities=(*rest, event.event_id),
            missing=self._newcomer.missing,
        )

    def _beside_the_others(self, before: State) -> Receipt:
        """Of an event that changes nothing until another one follows it, as there are branches enough.

        None of those is given up for it: else whoever sends many could make the room forget what others said.
        """
        return Receipt(
            fork=Fork(before),
            known=self._known,
            replaces=self._replaced(before),
            extremities=self._tip.extremities,
            missing=self._newcomer.missing,
        )

    def _replaced(self, before: State) -> Event | None:
        return self._states.lookup(before).get(self._event.slot) if self._event.is_state else None

    def _refusal(self, before: State) -> Refusal | None:
        """The first of the checks 4 to 6 that the event fails."""
        try:
            self._newcomer.check(before)
        except AuthRejected as error:
            return Refusal(str(error), soft=False)
        if self._is_taken_in:
            return None
        try:
            self._newcomer.check_in(State(self._tip.line, {}))
        except AuthRejected as error:
            return Refusal(str(error), soft=True)
        return None

    def _other_extremities(self) -> tuple[EventID, ...]:
        """The room's extremities that the event does not follow."""
        followed = self._followed()
        return tuple(one for one in self._tip.extremities if one not in followed)

    def _followed(self) -> set[EventID]:
        """What the event follows, also by way of events that were refused and so are no extremities."""
        near = dict(self._near)
        followed: set[EventID] = set()
        pending = set(self._event.prev_events)
        while pending:
            followed |= pending
            refused = [one for one in pending if one in near and near[one].refused_softly is not None]
            self._states.events.load(refused)
            pending = {
                prev for one in refused for prev in self._states.events.get(one).prev_events
            } - followed
            near |= graph_events(self._txn, pending - near.keys())
        return followed

    def _changes(self, before: State, rest: Sequence[EventID]) -> list[SlotChange]:
        """What the event does to the room's current state."""
        own = _ITSELF if self._known is None else self._known
        after = before
        if self._slot is not None:
            after = State(before.line, {**before.changes, self._slot: own})
        if rest:
            others = [states.after for one in rest if (states := self._near[one].states) is not None]
            after = self._states.resolve([*(self._states.read(ref) for ref in others), after])
        changes = self._states.relative_to(after, self._tip.line)
        names = slot_names(self._txn, changes.keys())
        at_line = events_at(self._txn, self._tip.room.nid, self._tip.line, changes.keys())
        ids = event_ids(self._txn, [nid for nid in changes.values() if nid is not None and nid != own])
        self._states.events.load(ids.values())
        events = {nid: self._states.events.get(event_id) for nid, event_id in ids.items()} | {
            own: self._event
        }
        return [
            SlotChange(names[slot], slot, None if nid is None else events[nid], slot in at_line)
            for slot, nid in changes.items()
        ]


_ITSELF = 0
"""The number of an event that has none yet."""
