"""Whether the rules allow a stored event: the checks 4 and 5 on its receipt, made once more.

https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
"""

from collections.abc import Mapping

from homeserver.protocol.auth_graph import auth_event_ids
from homeserver.protocol.event import Slot
from homeserver.protocol.event_auth import AuthRejected, auth_slots, check_auth, check_auth_events
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.power_levels import CREATE
from homeserver.protocol.redaction import redact_event
from homeserver.rooms.verification.around import Around
from homeserver.rooms.verification.events import Known, RoomEvents, Undecided
from homeserver.rooms.verification.stored import has_lost_content


class Authorisation:
    """The checks of one room's events. They raise AuthRejected, and Undecided where it cannot be known."""

    def __init__(self, events: RoomEvents, around: Around) -> None:
        self._events = events
        self._around = around

    def check(self, known: Known) -> None:
        """What the event cites, and the state before it."""
        event = _readable(known)
        before = self._before(known, event)
        cited = {one.row.event_id: one for one in before.values()}
        if set(auth_event_ids(event)) == cited.keys():
            # As nearly always: then both states of the checks have the same to say.
            self._check_cited(known, event, cited)
        else:
            self.check_cited(known)
        _check_rules(known, event, before)

    def check_cited(self, known: Known) -> None:
        """What the event cites alone."""
        event = _readable(known)
        cited = self._events.by_ids(auth_event_ids(event))
        self._check_cited(known, event, cited)
        _check_rules(known, event, {one.slot: one for one in cited.values() if one.slot is not None})

    def check_refusal(self, known: Known) -> None:
        """Raises AuthRejected, as it should, for an event that was rejected."""
        event = _readable(known)
        if not event.prev_events:
            raise AuthRejected("Only a room's create event follows nothing")
        self.check(known)
        involved = [known, *self._events.by_ids(event.auth_events).values()]
        if any(one.row.redacted_by is not None for one in [*involved, *self._before(known, event).values()]):
            # Other words may have decided.
            raise Undecided

    def _before(self, known: Known, event: Event) -> dict[Slot, Known]:
        slots = auth_slots(
            type=event.type,
            sender=event.sender,
            state_key=event.state_key,
            content=event.content,
            version=event.version,
        )
        return self._around.values_before(known.row, {*slots, CREATE})

    def _check_cited(self, known: Known, event: Event, cited: Mapping[EventID, Known]) -> None:
        if any(event_id not in cited for event_id in auth_event_ids(event)):
            raise AuthRejected("It cites events that are not in the room")
        auth_events = [_readable(cited[event_id]) for event_id in event.auth_events]
        rejected = [event_id for event_id in event.auth_events if cited[event_id].row.is_rejected]
        try:
            check_auth_events(event, auth_events, rejected)
        except AuthRejected:
            if has_lost_content(event):
                # From which followed what else was to be cited.
                raise Undecided from None
            raise


def _readable(known: Known) -> Event:
    if known.event is None:
        raise Undecided
    return known.event


def _check_rules(known: Known, event: Event, state: Mapping[Slot, Known]) -> None:
    readable = {slot: _readable(one) for slot, one in state.items()}
    try:
        check_auth(event, readable)
    except AuthRejected as rejection:
        if not _is_allowed_by_what_redactions_left(event, readable, state):
            if any(map(has_lost_content, (event, *readable.values()))):
                raise Undecided from None
            raise rejection from None


def _is_allowed_by_what_redactions_left(
    event: Event, readable: Mapping[Slot, Event], state: Mapping[Slot, Known]
) -> bool:
    """State may have been redacted before or after the event was sent, and each time other words decided."""
    pruned = {
        slot: value if state[slot].row.redacted_by is None else redact_event(value)
        for slot, value in readable.items()
    }
    try:
        check_auth(event, pruned)
    except AuthRejected:
        return False
    return True
