"""The JSON of a sync answer: event bytes as they are stored, spliced together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.json import JsonObject, encode_json
from homeserver.rooms.timeline import format_token
from homeserver.rooms.timeline_event import Viewer, show
from homeserver.sync.room_delta import RoomDelta


@dataclass(slots=True)
class Parts:
    """Everything that one sync answer tells; empty where nothing is new."""

    joined: list[RoomDelta] = field(default_factory=list)
    left: list[RoomDelta] = field(default_factory=list)
    invited: Mapping[RoomID, Sequence[msgspec.Raw]] = field(default_factory=dict)
    knocked: Mapping[RoomID, Sequence[msgspec.Raw]] = field(default_factory=dict)
    ephemeral: dict[int, list[JsonObject]] = field(default_factory=dict)
    """By the room's short id."""
    account_data: list[JsonObject] = field(default_factory=list)
    room_account_data: dict[int, list[JsonObject]] = field(default_factory=dict)

    def is_empty(self) -> bool:
        """Whether there is nothing to tell. Rooms with ephemeral events only are among `joined`, too."""
        return not (self.joined or self.left or self.invited or self.knocked or self.account_data)


def answer(parts: Parts, viewer: Viewer, position: int) -> msgspec.Raw:
    """https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync"""
    body: JsonObject = {"next_batch": format_token(position)}
    if parts.account_data:
        body["account_data"] = {"events": parts.account_data}
    rooms: JsonObject = {}
    if parts.joined:
        rooms["join"] = {delta.member.room_id: _joined(parts, delta, viewer) for delta in parts.joined}
    if parts.left:
        rooms["leave"] = {delta.member.room_id: _left(parts, delta, viewer) for delta in parts.left}
    if parts.invited:
        rooms["invite"] = {
            room_id: {"invite_state": {"events": events}} for room_id, events in parts.invited.items()
        }
    if parts.knocked:
        rooms["knock"] = {
            room_id: {"knock_state": {"events": events}} for room_id, events in parts.knocked.items()
        }
    if rooms:
        body["rooms"] = rooms
    return msgspec.Raw(encode_json(body))


def _joined(parts: Parts, delta: RoomDelta, viewer: Viewer) -> JsonObject:
    room = _left(parts, delta, viewer)
    room["ephemeral"] = {"events": parts.ephemeral.get(delta.member.room, [])}
    room["summary"] = delta.summary
    return room


def _left(parts: Parts, delta: RoomDelta, viewer: Viewer) -> JsonObject:
    return {
        "timeline": {
            "events": [show(one.event, viewer, one.membership) for one in delta.timeline],
            "limited": delta.limited,
            "prev_batch": format_token(delta.prev_batch),
        },
        "state": {"events": [show(event, viewer) for event in delta.state]},
        "account_data": {"events": parts.room_account_data.get(delta.member.room, [])},
    }
