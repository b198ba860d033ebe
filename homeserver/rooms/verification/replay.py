"""What follows from the timeline of a room, event by event."""

from homeserver.rooms.store.heads import HeadRow
from homeserver.rooms.store.whole_rooms import stored_events
from homeserver.rooms.store.whole_rooms_spans import spans_from_ever
from homeserver.rooms.verification.around import Around
from homeserver.rooms.verification.events import Known, RoomEvents
from homeserver.rooms.verification.line import Line, Step
from homeserver.rooms.verification.members import MemberReplay
from homeserver.rooms.verification.redactions import RedactionReplay
from homeserver.rooms.verification.states import States
from homeserver.storage.engine import Transaction


class Replay:
    """The room after the events that were fed to it, which must come in the order of their positions.

    Holds some words for each slot, member and redaction.
    """

    def __init__(self, txn: Transaction, head: HeadRow, events: RoomEvents) -> None:
        self._head = head
        self.first = {} if _was_made_here(txn, head.nid) else spans_from_ever(txn, head.nid)
        """The state that the line begins with, event by slot; of a room that others made, it is believed."""
        self.states = States(txn, events)
        self.line = Line(txn, events, self.states, self.first)
        self.around = Around(self.line, self.states)
        self.members = MemberReplay(events)
        self.redactions = RedactionReplay(events, self.around)
        self._events = events
        self._began = False

    def advance(self, known: Known) -> Step:
        self.redactions.follow(known)
        step = self.line.follow(known)
        if known.row.slot is not None:
            self._events.keep(known)
        if not self._began and not known.row.is_history:
            self._began = True
            self.members.begin(known, self.first)
        self.members.follow(known, step)
        return step

    def head(self) -> HeadRow:
        line = self.line
        return self._head._replace(state_line=line.number, depth=line.depth, extremities=line.extremities)


def _was_made_here(txn: Transaction, room: int) -> bool:
    """Whether the room's create event, whose number the room has, began its timeline."""
    return any(row.position is not None and not row.is_history for row in stored_events(txn, [room]))
