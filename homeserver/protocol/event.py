"""What an event is.

https://spec.matrix.org/v1.19/rooms/ ("Event format" of each version)
"""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import EventIDForm, RoomVersion

Slot: TypeAlias = tuple[str, str]
"""The type and state key under which a state event stands."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event of any room version, with its ID."""

    version: RoomVersion
    event_id: EventID
    room_id: RoomID
    type: str
    state_key: str | None = None
    sender: UserID
    origin_server_ts: int
    """Milliseconds since 1970, as its server claims."""
    content: JsonObject
    depth: int
    prev_events: tuple[EventID, ...]
    auth_events: tuple[EventID, ...]
    hashes: JsonObject
    signatures: JsonObject
    """Signatures by key ID by server name."""
    redacts: EventID | None = None
    """What an `m.room.redaction` redacts, wherever its version says so."""
    unsigned: JsonObject = {}
    extra: JsonObject = {}
    """Other top-level keys; in room versions 1 and 2 also the edges with their hashes."""

    @property
    def is_state(self) -> bool:
        return self.state_key is not None

    @property
    def slot(self) -> Slot:
        """Raises ValueError where the event is no state event."""
        if self.state_key is None:
            raise ValueError("A message event stands in no slot")
        return self.type, self.state_key

    @property
    def membership(self) -> str | None:
        if self.type != "m.room.member":
            return None
        membership = self.content.get("membership")
        return membership if isinstance(membership, str) else None

    def pdu(self) -> JsonObject:
        """The event as servers send it to each other. Its inner objects are shared, not copied."""
        pdu: JsonObject = {
            "auth_events": list(self.auth_events),
            "content": self.content,
            "depth": self.depth,
            "hashes": self.hashes,
            "origin_server_ts": self.origin_server_ts,
            "prev_events": list(self.prev_events),
            "sender": self.sender,
            "signatures": self.signatures,
            "type": self.type,
        }
        if self.state_key is not None:
            pdu["state_key"] = self.state_key
        if not is_hashed_create(self.version, self.type, self.state_key):
            pdu["room_id"] = self.room_id
        if self.version.event_ids is EventIDForm.ASSIGNED:
            pdu["event_id"] = self.event_id
        if self.redacts is not None and not self.version.redacts_in_content:
            pdu["redacts"] = self.redacts
        if self.unsigned:
            pdu["unsigned"] = self.unsigned
        pdu.update(self.extra)
        return pdu


StateMap: TypeAlias = Mapping[Slot, Event]


def is_hashed_create(version: RoomVersion, type_: str, state_key: str | None) -> bool:
    """Whether the event is a create event without a room ID, because it makes the room's ID."""
    return version.room_id_is_create_hash and type_ == "m.room.create" and state_key == ""
