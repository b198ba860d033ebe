"""Whether the rules allow a stored event, by the state that the replay says was before it."""

from homeserver.protocol.event_auth import AuthRejected, auth_slots, check_auth
from homeserver.protocol.events import Event, Slot
from homeserver.protocol.power_levels import CREATE
from homeserver.protocol.redaction import redact_event
from homeserver.rooms.store.whole_rooms import StoredEvent
from homeserver.rooms.verification.replay import Known, Replay
from homeserver.rooms.verification.stored import is_dropped


class Undecided(Exception):
    """Not all that the rules look at is still there, or readable."""


def check_authorised(event: Event, row: StoredEvent, replay: Replay) -> None:
    """Raises AuthRejected, or Undecided where it cannot be known."""
    slots = auth_slots(
        type=event.type,
        sender=event.sender,
        state_key=event.state_key,
        content=event.content,
        version=event.version,
    )
    state = {slot: known for slot in {*slots, CREATE} if (known := replay.value(slot)) is not None}
    _check_cited(event, row, [state[slot] for slot in slots if slot in state])
    _check_rules(event, row, state)


def _check_cited(event: Event, row: StoredEvent, selected: list[Known]) -> None:
    """https://spec.matrix.org/v1.19/server-server-api/#auth-events-selection"""
    expected, cited = {known.row.event_id for known in selected}, set(event.auth_events)
    # Of dropped content may have followed what else was to be cited.
    if expected != cited and not (expected < cited and is_dropped(event, row)):
        raise AuthRejected("It cites other auth events than the state before it has")


def _check_rules(event: Event, row: StoredEvent, state: dict[Slot, Known]) -> None:
    readable = {slot: known.event for slot, known in state.items() if known.event is not None}
    if len(readable) < len(state):
        raise Undecided
    try:
        check_auth(event, readable)
    except AuthRejected as rejection:
        if not _is_allowed_by_what_redactions_left(event, readable, state):
            dropped = [
                known for known in state.values() if known.event and is_dropped(known.event, known.row)
            ]
            if dropped or is_dropped(event, row):
                raise Undecided from None
            raise rejection from None


def _is_allowed_by_what_redactions_left(
    event: Event, readable: dict[Slot, Event], state: dict[Slot, Known]
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
