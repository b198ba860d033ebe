"""Which events of a room are redacted, as follows from the redactions in its timeline."""

from collections.abc import Sequence

from homeserver.protocol.auth_graph import auth_event_ids
from homeserver.protocol.event_auth import redaction_applies
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.power_levels import CREATE, POWER_LEVELS, power_levels
from homeserver.protocol.removals import removal_redacts, user_to_redact
from homeserver.protocol.room_versions import RoomVersion
from homeserver.rooms.store.whole_rooms import StoredEvent
from homeserver.rooms.verification.around import Around
from homeserver.rooms.verification.events import Known, RoomEvents, Undecided


class RedactionReplay:
    """The marks of the redactions that were fed to it."""

    def __init__(self, events: RoomEvents, around: Around) -> None:
        self._events = events
        self._around = around
        # Of each event those that count; of several, the first that came has marked it.
        self._counting: dict[int, list[int]] = {}
        self._doubtful: set[int] = set()
        self._silent: set[int] = set()
        self.early: set[tuple[EventID, int]] = set()
        """Redactions of what is not here, by what they redact."""
        self.perhaps_early: set[tuple[EventID, int]] = set()
        """The same of what is beside the timeline: it may have come later."""

    def marks(self, stored: dict[int, int]) -> dict[int, int]:
        """The redaction of each redacted event.

        Some are believed what is `stored` of them. Redactions that lost their own target: until room version 10 a
        redacted redaction does not say what it redacts. Those of events beside the timeline. And kicks and bans that
        are there themselves, because they happened before the room was entered.
        """
        marks: dict[int, int] = {}
        for nid, counting in self._counting.items():
            if stored.get(nid) in counting:
                marks[nid] = stored[nid]
            elif nid not in self._doubtful:
                marks[nid] = counting[0]
        followed = {by for counting in self._counting.values() for by in counting}
        believed = self._silent.union(filter(self._is_removal_beside, set(stored.values()) - followed))
        return marks | {nid: by for nid, by in stored.items() if by in believed}

    def follow(self, known: Known) -> None:
        """To be told of an event of the timeline before it moves the line."""
        row, redaction = known
        if redaction is None:
            return
        if redaction.type != "m.room.redaction":
            self._follow_removal(row, redaction)
            return
        if redaction.redacts is None:
            self._silent.add(row.nid)
            return
        target = self._events.by_ids([redaction.redacts]).get(redaction.redacts)
        if target is None:
            if not self._events.is_elsewhere(redaction.redacts):
                self.early.add((redaction.redacts, row.nid))
        elif self._applies(known, redaction, target.event):
            self._counting.setdefault(target.row.nid, []).append(row.nid)
            if target.row.position is None:
                self._doubtful.add(target.row.nid)
                self.perhaps_early.add((redaction.redacts, row.nid))

    def _is_removal_beside(self, nid: int) -> bool:
        for row, event in self._events.several([nid]):
            return row.position is None and event is not None and user_to_redact(event) is not None
        return False

    def _follow_removal(self, row: StoredEvent, removal: Event) -> None:
        """Kicks and bans that redact."""
        if row.redacted_by is not None and removal.type == "m.room.member":
            self._silent.add(row.nid)
        elif user_to_redact(removal) is not None and row.position is not None and row.target is not None:
            cited = self._events.by_ids(auth_event_ids(removal)).values()
            if removal_redacts(removal, [known.event for known in cited if known.event is not None]):
                self._count_removal(row.nid, self._events.sent_before(row.target, row.position))

    def _count_removal(self, removal: int, sent: Sequence[tuple[int, bool]]) -> None:
        for nid, came_in_order in sent:
            self._counting.setdefault(nid, []).append(removal)
            if not came_in_order:
                self._doubtful.add(nid)

    def _applies(self, known: Known, redaction: Event, target: Event | None) -> bool:
        if target is None:
            return True
        try:
            state = self._around.values_before(known.row, [CREATE, POWER_LEVELS])
        except Undecided:
            return True
        return _is_allowed(redaction, target, state, self._events.room.version)


def _is_allowed(
    redaction: Event, target: Event, state: dict[tuple[str, str], Known], version: RoomVersion
) -> bool:
    readable = {slot: known.event for slot, known in state.items() if known.event is not None}
    try:
        return redaction_applies(redaction, target, power_levels(readable, version))
    except LookupError:
        # Without a create event there is nothing to go by.
        return True
