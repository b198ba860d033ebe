"""Stripped state: what somebody outside a room may know of it.

https://spec.matrix.org/v1.19/client-server-api/#stripped-state
"""

from collections.abc import Sequence

import msgspec

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.json import JsonObject, encode_json

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


MOST_TOLD = 100
"""Of so many events a room may consist for those outside."""
_MOST_BYTES = 1024 * 1024


class _Told(msgspec.Struct):
    type: str
    state_key: str
    sender: str
    content: JsonObject


def stripped_by_others(told: Sequence[JsonObject]) -> list[JsonObject]:
    """What other servers tell of a room, as clients may be shown it.

    Servers send whole events; what is none is left out, and so is what comes behind a megabyte.
    """
    stripped: list[JsonObject] = []
    size = 0
    for each in told[:MOST_TOLD]:
        try:
            one = msgspec.convert(each, _Told)
        except msgspec.ValidationError:
            continue
        size += len(encode_json(one))
        if size > _MOST_BYTES:
            break
        stripped.append(msgspec.to_builtins(one))
    return stripped
