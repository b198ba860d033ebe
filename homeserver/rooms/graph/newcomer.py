"""An event that another server made, among the events that are here.

https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
"""

from collections.abc import Collection, Mapping

from homeserver.protocol.auth_graph import auth_event_ids
from homeserver.protocol.event import Slot
from homeserver.protocol.event_auth import AuthRejected, check_auth, check_auth_events
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID
from homeserver.rooms.graph.auth_graph import RoomKey, StoredEvents, UnknownEvents
from homeserver.rooms.graph.resolution import Resolver, State, difference
from homeserver.rooms.store.events import event_nids
from homeserver.rooms.store.graph import graph_events
from homeserver.rooms.store.spans import EVER, events_at, slot_nids
from homeserver.storage.engine import Transaction

NOTHING = State(EVER - 1, {})
"""The state before a room's create event."""

GivenState = Mapping[Slot, EventID]
"""The whole state before an event, as another server tells it. Its events are here."""


class Newcomer:
    """What the checks on an event's receipt ask of the store."""

    def __init__(
        self, txn: Transaction, room: RoomKey, event: Event, others: Collection[EventID] = ()
    ) -> None:
        """`others` are events that the caller wants to have looked up with those that the event names."""
        self.states = Resolver(txn, room)
        self._txn = txn
        self._room = room
        self._event = event
        self._found = graph_events(txn, {event.event_id, *event.prev_events, *event.auth_events, *others})
        self.near = {event_id: one for event_id, one in self._found.items() if one.room == room.nid}
        known = self.near.get(event.event_id)
        self.known = None if known is None else known.nid

    @property
    def is_done(self) -> bool:
        """Whether the event was received before, and has its place or was refused."""
        known = self.near.get(self._event.event_id)
        return known is not None and (known.position is not None or known.refused_softly is not None)

    @property
    def missing(self) -> list[EventID]:
        """The event's predecessors that are not here, or have no place in the room's graph yet."""
        states = {prev: self.near[prev].states for prev in self._event.prev_events if prev in self.near}
        return [prev for prev in self._event.prev_events if states.get(prev) is None]

    @property
    def states_around(self) -> list[State]:
        """The states after those of its predecessors that have their place here."""
        around = [self.near[prev].states for prev in self._event.prev_events if prev in self.near]
        refs = {states.after for states in around if states is not None}
        return [self.states.read(ref) for ref in sorted(refs, key=repr)]

    def state_before(self, given: GivenState | None, line: int) -> State:
        """The state before the event. What is `given` is kept as a difference from the room's line at `line`.

        Raises UnknownEvents where the event's predecessors, or what is given instead, are not here.
        """
        if not self._event.prev_events:
            return NOTHING
        return self._resolved_before() if given is None else self._given(given, line)

    def _resolved_before(self) -> State:
        if self.missing:
            raise UnknownEvents(self.missing)
        return self.states.resolve(self.states_around)

    def _given(self, given: GivenState, line: int) -> State:
        slots = slot_nids(self._txn, given)
        nids = event_nids(self._txn, list(given.values()))
        unknown = given.values() - nids.keys()
        if unknown or len(slots) < len(given):
            raise UnknownEvents(unknown)
        values = {slots[name]: nids[event_id] for name, event_id in given.items()}
        at_line = events_at(self._txn, self._room.nid, line)
        everywhere = values.keys() | at_line.keys()
        return State(line, difference(at_line, values, everywhere))

    def check(self, before: State) -> None:
        """The checks 4 and 5: what the event cites, and the state before it. Raises AuthRejected."""
        self._check_cited()
        self.check_in(before)

    def check_in(self, state: State) -> None:
        """Raises AuthRejected unless the state allows the event."""
        check_auth(self._event, self.states.lookup(state))

    def _check_cited(self) -> None:
        event, events = self._event, self.states.events
        if any(cited in self._found and cited not in self.near for cited in event.auth_events):
            raise AuthRejected("An auth event is of another room")
        events.load(auth_event_ids(event))
        cited = [events.get(event_id) for event_id in event.auth_events]
        check_auth_events(event, cited, [one.event_id for one in cited if events.is_rejected(one.event_id)])
        check_auth(event, _cited_state(event, events))


def _cited_state(event: Event, events: StoredEvents) -> Mapping[Slot, Event]:
    """What the event cites, by slot, with the create event that those of room version 12 cite unsaid."""
    return {cited.slot: cited for cited in map(events.get, auth_event_ids(event))}
