"""A room as typing and receipts see it."""

from collections.abc import Collection, Mapping, Sequence

from homeserver.ephemeral.presence.state import UserPresence
from homeserver.ephemeral.store import ReceiptKey
from homeserver.protocol.errors import Forbidden
from homeserver.protocol.identifiers import EventID, RoomID, UserID

ROOM_ID = RoomID("!room:test")
ROOM = 7


class NobodyElse:
    """An `EphemeralListener` where there are none but the clients."""

    def typing_changed(self, room: int, user_id: UserID, *, is_typing: bool) -> None:
        pass

    def receipt_moved(self, key: ReceiptKey, event_id: str, ts: int) -> None:
        pass

    def presence_changed(
        self, presences: Sequence[UserPresence], rooms: Mapping[int, Collection[int]]
    ) -> None:
        pass


class OneRoom:
    """ROOM_ID with some events, numbered from 1 in the order in which they are added."""

    def __init__(self, *members: UserID) -> None:
        self._members = members
        self._relations: dict[EventID, tuple[str, EventID] | None] = {}

    def add(self, event_id: str, relation: tuple[str, str] | None = None) -> EventID:
        event = EventID(event_id)
        self._relations[event] = relation and (relation[0], EventID(relation[1]))
        return event

    async def require_joined(self, room_id: RoomID, user_id: UserID) -> int:
        if room_id != ROOM_ID or user_id not in self._members:
            raise Forbidden("You are not joined to this room")
        return ROOM

    async def position_of(self, room_id: RoomID, event_id: EventID) -> int | None:
        events = list(self._relations)
        return events.index(event_id) + 1 if event_id in events else None

    async def relation_of(self, room_id: RoomID, event_id: EventID) -> tuple[str, EventID] | None:
        return self._relations.get(event_id)
