"""What typing and receipts ask of rooms. Implemented by `homeserver.rooms`, wired by `homeserver.app`."""

from typing import Protocol

from homeserver.protocol.identifiers import EventID, RoomID, UserID


class Membership(Protocol):
    async def require_joined(self, room_id: RoomID, user_id: UserID) -> int:
        """The room's short id. Raises Forbidden where the user is not joined or there is no such room."""


class Acquaintance(Protocol):
    async def share_a_room(self, user_nid: int, other_nid: int) -> bool:
        """Whether both users are joined to the same room."""


class RoomEvents(Protocol):
    async def position_of(self, room_id: RoomID, event_id: EventID) -> int | None:
        """The position of an event in the timeline of its room; None where this room has no such event."""

    async def relation_of(self, room_id: RoomID, event_id: EventID) -> tuple[str, EventID] | None:
        """The `rel_type` and the event of `m.relates_to`; None where there is none or no such event."""
