"""The state before an event, as far as it is asked for."""

from collections.abc import Collection

from homeserver.protocol.event import Slot
from homeserver.rooms.store.whole_rooms import StoredEvent
from homeserver.rooms.verification.events import Known, Undecided
from homeserver.rooms.verification.line import Line
from homeserver.rooms.verification.states import States


class Around:
    """Knows it of the event that the line comes to next, and of those that are not on the line."""

    def __init__(self, line: Line, states: States) -> None:
        self._line = line
        self._states = states

    def values_before(self, row: StoredEvent, slots: Collection[Slot]) -> dict[Slot, Known]:
        """The events in some slots of the state before an event. Raises Undecided."""
        if row.is_linear:
            return {slot: known for slot in slots if (known := self._line.value(slot)) is not None}
        own = row.own_states
        if own is None:
            raise Undecided
        return self._states.values(own.before, slots)
