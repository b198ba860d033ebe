"""What a local user wants to put into a room, before it is an event."""

from dataclasses import dataclass, field

from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.protocol.json import JsonObject


@dataclass(slots=True, kw_only=True)
class Draft:
    """`transaction` is (device's short id, endpoint, transaction ID) where the client gave one. What is
    `of_member` may be sent by who is joined at that moment, although the rules would let others, too."""

    room_id: RoomID
    type: str
    sender: UserID
    content: JsonObject
    state_key: str | None = None
    redacts: EventID | None = None
    origin_server_ts: int | None = None
    transaction: tuple[int, str, str] | None = None
    of_member: bool = False


@dataclass(slots=True, frozen=True)
class Sent:
    """An event that is stored, or the one that the same transaction ID or state had stored before."""

    event_id: EventID
    position: int | None = None
    new: bool = field(default=True)
