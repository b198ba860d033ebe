"""Kicks and bans that redact all that the removed user sent.

https://github.com/matrix-org/matrix-spec-proposals/pull/4293
"""

from collections.abc import Iterable

from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.power_levels import UnreadableLevel, power_levels

REDACT_EVENTS = "org.matrix.msc4293.redact_events"
_REMOVING = ("leave", "ban")


def user_to_redact(event: Event) -> UserID | None:
    """Whose events are to be redacted as the event is accepted; None for nearly all. Who leaves cannot ask for it."""
    if event.type != "m.room.member" or event.state_key is None or event.state_key == event.sender:
        return None
    content = event.content
    is_asked = content.get(REDACT_EVENTS) is True and content.get("membership") in _REMOVING
    return UserID(event.state_key) if is_asked else None


def removal_redacts(removal: Event, cited: Iterable[Event]) -> bool:
    """Whether its sender may redact what others sent, by the events that it cites, which every server knows."""
    state = {event.slot: event for event in cited}
    try:
        levels = power_levels(state, removal.version)
        return levels.user(removal.sender) >= levels.redact_all
    except (LookupError, UnreadableLevel):
        return False
