"""What follows from the timeline of a room, event by event."""

from collections import OrderedDict
from typing import NamedTuple

from homeserver.protocol.event_auth import redaction_applies
from homeserver.protocol.events import Event, Slot
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.power_levels import power_levels
from homeserver.protocol.room_versions import room_version
from homeserver.rooms.store.events import place_of
from homeserver.rooms.store.heads import HeadRow
from homeserver.rooms.store.whole_rooms import Membership, StoredEvent, stored_event
from homeserver.rooms.verification.stored import Unreadable, read_event
from homeserver.storage.engine import Transaction

_KEPT = 1_000
"""State events in memory; others are read again when they are asked for."""


class Known(NamedTuple):
    """An event as far as it can be read."""

    row: StoredEvent
    event: Event | None


class Replay:
    """The room after the events that were fed to it, which must come in the order of their positions.

    Holds some words for each slot, member and redaction, and the bodies of a limited number of events.
    """

    def __init__(self, txn: Transaction, head: HeadRow) -> None:
        self._txn = txn
        self._head = head
        self._kept: OrderedDict[int, Known] = OrderedDict()
        self._state: dict[Slot, int] = {}
        self._silent: set[int] = set()
        self._redactions: dict[int, int] = {}
        self.version = room_version(head.version)
        self.depth = 0
        self.line = 0
        self.extremities: tuple[EventID, ...] = ()
        self.members: dict[int, Membership] = {}
        self.unsure: set[int] = set()
        """Users whose membership stands in an event that cannot be read."""

    def value(self, slot: Slot) -> Known | None:
        """The state event in a slot, before the next event."""
        nid = self._state.get(slot)
        return None if nid is None else self._known(nid)

    def get(self, slot: Slot) -> Event | None:
        """As a `StateLookup`."""
        known = self.value(slot)
        return None if known is None else known.event

    def redactions(self, marked: dict[int, int]) -> dict[int, int]:
        """The redaction of each redacted event.

        Redactions that lost their own target are believed what is `marked` of them: until room version 10 a
        redacted redaction does not say what it redacted.
        """
        return self._redactions | {nid: by for nid, by in marked.items() if by in self._silent}

    def advance(self, known: Known) -> None:
        row, event = known
        if event is not None and event.type == "m.room.redaction":
            self._redact(row, event)
        slot = _slot_of(known)
        if slot is not None:
            self.line += 1
            self._state[slot] = row.nid
            self._keep(known)
            if row.target is not None:
                self._change_member(row.target, known)
        self.depth = max(self.depth, row.depth)
        self.extremities = (row.event_id,)

    def _change_member(self, target: int, known: Known) -> None:
        nid = known.row.nid
        if known.event is None:
            self.unsure.add(target)
            return
        self.unsure.discard(target)
        membership = known.event.membership or "leave"
        before = self.members.get(target)
        goes_on = before is not None and before.membership == membership
        since = before.since if before is not None and goes_on else nid
        self.members[target] = Membership(membership, nid, nid, since)

    def _redact(self, row: StoredEvent, redaction: Event) -> None:
        if redaction.redacts is None:
            if row.redacted_by is not None:
                self._silent.add(row.nid)
            return
        place = place_of(self._txn, redaction.redacts)
        if place is None or place.room != self._head.nid or place.nid >= row.nid:
            return
        target = self._known(place.nid).event
        if target is None or self._applies(redaction, target):
            self._redactions.setdefault(place.nid, row.nid)

    def _applies(self, redaction: Event, target: Event) -> bool:
        try:
            return redaction_applies(redaction, target, power_levels(self, self.version))
        except LookupError:
            # Without a create event there is nothing to go by.
            return True

    def _known(self, nid: int) -> Known:
        known = self._kept.get(nid)
        if known is None:
            row = stored_event(self._txn, nid)
            assert row is not None, "only events that were read before are looked up"
            known = self.read(row)
        return self._keep(known)

    def read(self, row: StoredEvent) -> Known:
        try:
            return Known(row, read_event(row, self._head.room_id, self.version))
        except Unreadable:
            return Known(row, None)

    def _keep(self, known: Known) -> Known:
        self._kept[known.row.nid] = known
        self._kept.move_to_end(known.row.nid)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return known


def _slot_of(known: Known) -> Slot | None:
    """As its row says where the event itself cannot be read."""
    row, event = known
    if event is not None:
        return event.slot if event.is_state else None
    return None if row.slot_type is None or row.state_key is None else (row.slot_type, row.state_key)
