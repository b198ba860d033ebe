"""Reading the state of a room: all of it, one event, its members."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, NotFound
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.rooms.partial import PartialRooms
from homeserver.rooms.reading import state_events
from homeserver.rooms.store.events import line_at
from homeserver.rooms.store.members import joined_member_events
from homeserver.rooms.store.spans import (
    Slot,
    state_rows,
    state_rows_except_type,
    state_rows_of_slots,
    state_rows_of_type,
)
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.view import CURRENT, RoomView, RoomViews
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

MEMBER = "m.room.member"


class CurrentMembers(Protocol):
    """Implemented by `MemberLists`."""

    async def of(self, room: int) -> Sequence[TimelineEvent]:
        """The current member events of a room (short id)."""


class Named(NamedTuple):
    """How a member is called in a room."""

    displayname: str | None
    avatar_url: str | None


class _Names(msgspec.Struct):
    displayname: Any = None
    avatar_url: Any = None


class _NamingEvent(msgspec.Struct):
    content: _Names

    def named(self) -> Named:
        name, avatar = self.content.displayname, self.content.avatar_url
        return Named(name if isinstance(name, str) else None, avatar if isinstance(avatar, str) else None)


_naming = msgspec.json.Decoder(_NamingEvent)


class RoomStates:
    """State as the requester may see it: now, or when the requester left."""

    def __init__(
        self, views: RoomViews, partial: PartialRooms, member_lists: CurrentMembers, db: Database
    ) -> None:
        self._views = views
        self._partial = partial
        self._member_lists = member_lists
        self._db = db

    async def all(self, requester: Requester, room_id: RoomID) -> tuple[RoomView, list[TimelineEvent]]:
        """All state events. Raises Forbidden, NotFound, and ServerUnavailable where members are yet to come."""
        view = await self._views.of(requester, room_id)
        room = await self._partial.whole(view.room)
        return view, await self._db.read(state_at, room.nid, view.line)

    async def one(self, requester: Requester, room_id: RoomID, slot: Slot) -> tuple[RoomView, TimelineEvent]:
        """Raises NotFound where the slot is empty."""
        view = await self._views.of(requester, room_id)
        event = await self._db.read(_slot_at, view.room, slot, view.line)
        if event is None:
            raise NotFound("There is no such state in this room")
        return view, event

    async def members(
        self, requester: Requester, room_id: RoomID, at: int | None
    ) -> tuple[RoomView, Sequence[TimelineEvent]]:
        """The member events, at the position `at` where one is given. Raises as `all` does."""
        view = await self._views.of(requester, room_id)
        room = await self._partial.whole(view.room)
        if at is None and view.line == CURRENT:
            return view, await self._member_lists.of(room.nid)
        return view, await self._db.read(_members_at, view, at)

    async def joined(self, requester: Requester, room_id: RoomID) -> Mapping[UserID, Named]:
        """The joined users. Raises Forbidden for all others."""
        view = await self._views.of(requester, room_id)
        if view.member is None or view.member.membership != "join":
            raise Forbidden("You are not joined to this room")
        room = await self._partial.whole(view.room)
        return await self._db.read(_joined, room.nid)


def state_at(txn: Transaction, room: int, line: int) -> list[TimelineEvent]:
    """The state events at a point of the room's state line, oldest first."""
    return state_events(txn, state_rows(txn, room, line))


def state_without_members_at(txn: Transaction, room: int, line: int) -> list[TimelineEvent]:
    """The same without member events, of which a room may have thousands."""
    return state_events(txn, state_rows_except_type(txn, room, line, MEMBER))


def members_at(
    txn: Transaction, room: int, line: int, user_ids: Collection[str] | None = None
) -> list[TimelineEvent]:
    """The member events there, of all users or of some."""
    if user_ids is None:
        return state_events(txn, state_rows_of_type(txn, room, line, MEMBER))
    return state_events(txn, state_rows_of_slots(txn, room, line, [MEMBER], list(user_ids)))


def _joined(txn: Transaction, room: int) -> dict[UserID, Named]:
    return {user_id: _naming.decode(client).named() for user_id, client in joined_member_events(txn, room)}


def _slot_at(txn: Transaction, room: int, slot: Slot, line: int) -> TimelineEvent | None:
    events = state_events(txn, state_rows_of_slots(txn, room, line, [slot[0]], [slot[1]]))
    return events[0] if events else None


def _members_at(txn: Transaction, view: RoomView, at: int | None) -> list[TimelineEvent]:
    line = view.line if at is None else min(view.line, line_at(txn, view.room, at))
    return members_at(txn, view.room, line)
