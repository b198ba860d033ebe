"""The JSON of a sync answer: event bytes as they are stored, spliced together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from homeserver.ephemeral.presence.state import UserPresence, presence_event
from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.json import JsonObject, encode_json
from homeserver.rooms.timeline import format_sync_token, format_token
from homeserver.sync.encryption import EncryptionParts
from homeserver.sync.event_forms import EventForm
from homeserver.sync.room_delta import RoomDelta

StateName = Literal["state", "state_after", "org.matrix.msc4222.state_after"]
"""What the state of a room is called: before its timeline, or after it (MSC4222, by which older clients know it)."""

Events = dict[int, list[JsonObject]]
"""By the room's short id."""


@dataclass(slots=True)
class Parts:
    """Everything that one sync answer tells; empty where nothing is new."""

    joined: list[RoomDelta] = field(default_factory=list)
    left: list[RoomDelta] = field(default_factory=list)
    invited: Mapping[RoomID, Sequence[msgspec.Raw]] = field(default_factory=dict)
    knocked: Mapping[RoomID, Sequence[msgspec.Raw]] = field(default_factory=dict)
    left_elsewhere: dict[RoomID, msgspec.Raw] = field(default_factory=dict)
    """How invitations and knocks ended of which the rooms are not known here."""

    ephemeral: Events = field(default_factory=dict)
    account_data: list[JsonObject] = field(default_factory=list)
    room_account_data: Events = field(default_factory=dict)
    presence: Sequence[UserPresence] = ()
    unread: Mapping[int, JsonObject] = field(default_factory=dict)
    """Counts of what is unread, as they are told, by the room's short id."""

    encryption: EncryptionParts = field(default_factory=EncryptionParts)

    def is_empty(self) -> bool:
        """Whether there is nothing to tell. Rooms with ephemeral events only are among `joined`, too."""
        rooms = self.joined or self.left or self.invited or self.knocked
        others = self.account_data or self.presence or self.left_elsewhere
        return not (rooms or others) and self.encryption.is_empty()


def answer(parts: Parts, form: EventForm, now_ms: int, position: int, state_name: StateName) -> msgspec.Raw:
    """https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync"""

    def joined(delta: RoomDelta) -> JsonObject:
        edus = parts.ephemeral.get(delta.member.room, [])
        unread = parts.unread.get(delta.member.room, {})
        return {**left(delta), "ephemeral": {"events": edus}, "summary": delta.summary, **unread}

    def left(delta: RoomDelta) -> JsonObject:
        return {
            "timeline": {
                "events": [form.of_timeline(one) for one in delta.timeline],
                "limited": delta.limited,
                "prev_batch": format_token(delta.prev_batch),
            },
            state_name: {"events": [form.of_state(event) for event in delta.state]},
            "account_data": {"events": parts.room_account_data.get(delta.member.room, [])},
        }

    next_batch = format_sync_token(position, parts.encryption.received(position))
    body: JsonObject = {"next_batch": next_batch, **parts.encryption.body()}
    if parts.account_data:
        body["account_data"] = {"events": parts.account_data}
    if parts.presence:
        events = [presence_event(presence, now_ms) for presence in parts.presence]
        body["presence"] = {"events": events}
    rooms: JsonObject = {}
    if parts.joined:
        rooms["join"] = {delta.member.room_id: joined(delta) for delta in parts.joined}
    if parts.left or parts.left_elsewhere:
        rooms["leave"] = {delta.member.room_id: left(delta) for delta in parts.left}
        rooms["leave"] |= {
            room_id: {
                "timeline": {"events": [event], "limited": False, "prev_batch": format_token(position)},
                state_name: {"events": []},
                "account_data": {"events": []},
            }
            for room_id, event in parts.left_elsewhere.items()
        }
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
