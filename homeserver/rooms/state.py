"""Reading the state of a room: all of it, one event, its members."""

from collections.abc import Sequence

from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, NotFound
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.rooms.reading import timeline_events
from homeserver.rooms.store.events import events_by_nid, line_at
from homeserver.rooms.store.members import joined_member_events
from homeserver.rooms.store.spans import Slot, slot_event_nid, state_event_nids
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.view import RoomView, RoomViews
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction


class RoomStates:
    """State as the requester may see it: now, or when the requester left."""

    def __init__(self, views: RoomViews, db: Database) -> None:
        self._views = views
        self._db = db

    async def all(self, requester: Requester, room_id: RoomID) -> tuple[RoomView, list[TimelineEvent]]:
        view = await self._views.of(requester, room_id)
        return view, await self._db.read(state_at, view.room, view.line)

    async def one(self, requester: Requester, room_id: RoomID, slot: Slot) -> tuple[RoomView, TimelineEvent]:
        """Raises NotFound where the slot is empty."""
        view = await self._views.of(requester, room_id)
        event = await self._db.read(_slot_at, view.room, slot, view.line)
        if event is None:
            raise NotFound("There is no such state in this room")
        return view, event

    async def members(
        self, requester: Requester, room_id: RoomID, at: int | None
    ) -> tuple[RoomView, list[TimelineEvent]]:
        """The member events, at the position `at` where one is given."""
        view = await self._views.of(requester, room_id)
        return view, await self._db.read(_members_at, view, at)

    async def joined(self, requester: Requester, room_id: RoomID) -> dict[UserID, JsonObject]:
        """The joined users with the content of their member events. Raises Forbidden for who is not joined."""
        view = await self._views.of(requester, room_id)
        if view.member is None or view.member.membership != "join":
            raise Forbidden("You are not joined to this room")
        rows = await self._db.read(joined_member_events, view.room)
        return {user_id: decode_json(client)["content"] for user_id, client in rows}


def state_at(
    txn: Transaction, room: int, line: int, types: Sequence[str] | None = None
) -> list[TimelineEvent]:
    return timeline_events(txn, events_by_nid(txn, state_event_nids(txn, room, line, types)))


def _slot_at(txn: Transaction, room: int, slot: Slot, line: int) -> TimelineEvent | None:
    nid = slot_event_nid(txn, room, slot, line)
    return None if nid is None else timeline_events(txn, events_by_nid(txn, [nid]))[0]


def _members_at(txn: Transaction, view: RoomView, at: int | None) -> list[TimelineEvent]:
    line = view.line if at is None else min(view.line, line_at(txn, view.room, at))
    return state_at(txn, view.room, line, ["m.room.member"])
