"""What presence is, and how it is shown.

https://spec.matrix.org/v1.19/client-server-api/#presence
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Literal

import msgspec

from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject, encode_json


class State(IntEnum):
    """In the order in which the states of a user's devices outdo each other. The numbers are stored."""

    OFFLINE = 0
    UNAVAILABLE = 1
    ONLINE = 2
    BUSY = 3


_BUSY = "org.matrix.msc3026.busy"
_NAMES = {
    State.OFFLINE: "offline",
    State.UNAVAILABLE: "unavailable",
    State.ONLINE: "online",
    State.BUSY: _BUSY,
}
_BY_NAME = {name: state for state, name in _NAMES.items()} | {"busy": State.BUSY}


StateName = Literal["online", "unavailable", "offline", "busy", "org.matrix.msc3026.busy"]
"""What clients may say: `busy` is known by the name of MSC3026 and by the one that it asks for."""


def state_named(name: StateName) -> State:
    return _BY_NAME[name]


class UserPresence(msgspec.Struct, frozen=True):
    """How a user is seen. `last_active_at` is in milliseconds, 0 for never.

    While `is_active`, nobody is told of later activity.
    """

    user_nid: int
    user_id: UserID
    state: State
    status_msg: str | None
    last_active_at: int
    is_active: bool

    def content(self, now_ms: int) -> JsonObject:
        """As in `m.presence`."""
        content: JsonObject = {"presence": _NAMES[self.state]}
        if self.last_active_at:
            content["last_active_ago"] = max(0, now_ms - self.last_active_at)
        if self.state >= State.ONLINE:
            content["currently_active"] = self.is_active
        if self.status_msg is not None:
            content["status_msg"] = self.status_msg
        return content

    def looks_like(self, other: "UserPresence") -> bool:
        """Whether who was told of one need not be told of the other."""
        if self.is_active != other.is_active:
            return False
        is_news = self.last_active_at != other.last_active_at and not self.is_active
        return (self.state, self.status_msg) == (other.state, other.status_msg) and not is_news


def presence_event(presence: UserPresence, now_ms: int) -> msgspec.Raw:
    """https://spec.matrix.org/v1.19/client-server-api/#mpresence"""
    return msgspec.Raw(
        encode_json({"type": "m.presence", "sender": presence.user_id, "content": presence.content(now_ms)})
    )


def presence_edu(presences: Iterable[UserPresence], now_ms: int) -> JsonObject:
    """What other servers are told.

    https://spec.matrix.org/v1.19/server-server-api/#presence
    """
    push = [{"user_id": one.user_id, "last_active_ago": 0, **one.content(now_ms)} for one in presences]
    return {"edu_type": "m.presence", "content": {"push": push}}
