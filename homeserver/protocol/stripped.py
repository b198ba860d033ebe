"""Stripped state: what somebody outside a room may know of it.

https://spec.matrix.org/v1.19/client-server-api/#stripped-state
"""

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.json import JsonObject

STRIPPED_SLOTS: tuple[Slot, ...] = tuple(
    (type_, "")
    for type_ in (
        "m.room.create",
        "m.room.name",
        "m.room.avatar",
        "m.room.topic",
        "m.room.join_rules",
        "m.room.canonical_alias",
        "m.room.encryption",
    )
)
"""The state that goes with invitations and knocks, besides the membership event itself."""


def stripped_state(event: Event) -> JsonObject:
    """Raises ValueError where the event is no state event."""
    type_, state_key = event.slot
    return {"type": type_, "state_key": state_key, "sender": event.sender, "content": event.content}
