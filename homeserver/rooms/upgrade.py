"""Replacing a room by one of another version.

https://spec.matrix.org/v1.19/client-server-api/#room-upgrades
"""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.accounts.profiles import Profiles
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden
from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import RoomAlias, RoomID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.power_levels import POWER_LEVELS
from homeserver.protocol.room_versions import RoomVersion
from homeserver.rooms.aliases import CANONICAL
from homeserver.rooms.create import creatable_version
from homeserver.rooms.directory import Directory
from homeserver.rooms.draft import Draft
from homeserver.rooms.first_state import power_levels_content
from homeserver.rooms.following import Following
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.ingest import NewRoom
from homeserver.rooms.member_content import member_content
from homeserver.rooms.new_rooms import NewRooms
from homeserver.rooms.powers import may_set
from homeserver.rooms.reading import state_events
from homeserver.rooms.send import EventSender
from homeserver.rooms.state import state_without_members_at
from homeserver.rooms.store.events import events_by_nid
from homeserver.rooms.store.members import member_events
from homeserver.rooms.store.spans import Slot
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.upgraded_content import (
    carried_aliases,
    carried_power_levels,
    closed_power_levels,
    create_content,
    is_taken_along,
)
from homeserver.rooms.view import CURRENT
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_CREATE: Slot = ("m.room.create", "")
_TOMBSTONE = "m.room.tombstone"
_PARENT, _CHILD = "m.space.parent", "m.space.child"


class Replacement(NamedTuple):
    """What is to be: the new room's version, and who makes it together with whom."""

    creator: UserID
    version: RoomVersion
    additional_creators: Sequence[UserID]


class RoomUpgrade:
    def __init__(
        self,
        rooms: NewRooms,
        sender: EventSender,
        heads: Heads,
        profiles: Profiles,
        directory: Directory,
        following: Following,
        db: Database,
    ) -> None:
        self._rooms = rooms
        self._sender = sender
        self._heads = heads
        self._profiles = profiles
        self._directory = directory
        self._following = following
        self._db = db

    async def upgrade(
        self, requester: Requester, room_id: RoomID, version: str, additional_creators: Sequence[UserID]
    ) -> RoomID:
        """The ID of the new room. Raises UnsupportedRoomVersion, Forbidden, NotFound, InvalidRoomState."""
        plan = Replacement(requester.user_id, creatable_version(version), additional_creators)
        old = await self._heads.get(room_id)
        if not await may_set(self._heads, old, plan.creator, _TOMBSTONE):
            raise Forbidden("You may not upgrade this room")
        state = await self._db.read(_state, old.nid)
        aliases = await self._directory.aliases_of(room_id)
        room = await self._replacement(old, plan, state, aliases)
        await self._rooms.store(room)
        await self._put(plan.creator, room_id, _TOMBSTONE, _tombstone(room.head.room_id))
        await self._directory.move((old.nid, room_id), (room.head.nid, room.head.room_id))
        await self._close(plan.creator, old)
        await self._move_in_spaces(plan.creator, room_id, room.head.room_id, state)
        await self._following.follow(plan.creator, room.head)
        return room.head.room_id

    async def _replacement(
        self, old: Head, plan: Replacement, state: Sequence[TimelineEvent], aliases: Sequence[RoomAlias]
    ) -> NewRoom:
        """Power levels come last: without them, the creator may set all that is taken along."""
        await self._heads.load(old, [_CREATE, POWER_LEVELS, (CANONICAL, "")])
        create = old.get(_CREATE)
        assert create is not None, "every room has a create event"
        content = create_content(old, create, plan.version, plan.additional_creators)
        room = await self._rooms.begin(plan.creator, plan.version, content)
        joined = member_content("join", await self._profiles.get(plan.creator))
        await self._rooms.add(room, plan.creator, "m.room.member", joined, plan.creator)
        for event in state:
            type_, state_key, content = event.type, event.key.state_key or "", event.content
            if type_ == "m.room.member":
                await self._rooms.add(room, plan.creator, type_, _ban(content), state_key)
            elif is_taken_along(type_, state_key, content):
                await self._rooms.add(room, plan.creator, type_, content, state_key)
        canonical = old.get((CANONICAL, ""))
        named = {} if canonical is None else carried_aliases(canonical.content, aliases)
        if named:
            await self._rooms.add(room, plan.creator, CANONICAL, named)
        levels = _levels(old.get(POWER_LEVELS), create, plan)
        await self._rooms.add(room, plan.creator, "m.room.power_levels", levels)
        return room

    async def _close(self, user_id: UserID, old: Head) -> None:
        """As far as the user has the power: nobody speaks in the old room, and it has no name of ours any more."""
        await self._heads.load(old, [POWER_LEVELS, (CANONICAL, "")])
        levels, canonical = old.get(POWER_LEVELS), old.get((CANONICAL, ""))
        if canonical is not None and canonical.content:
            await self._try_to_put(user_id, old.room_id, CANONICAL, {})
        if levels is not None:
            closed = closed_power_levels(levels.content, old.version)
            await self._try_to_put(user_id, old.room_id, "m.room.power_levels", closed)

    async def _move_in_spaces(
        self, user_id: UserID, old: RoomID, new: RoomID, state: Sequence[TimelineEvent]
    ) -> None:
        """Puts the new room in the place of the old one where a space of the room is known here (MSC4168)."""
        for event in state:
            if event.type == _PARENT and event.content and event.key.state_key is not None:
                await self._move_in_space(user_id, RoomID(event.key.state_key), old, new)

    async def _move_in_space(self, user_id: UserID, space: RoomID, old: RoomID, new: RoomID) -> None:
        if not await self._heads.is_known(space):
            return
        head = await self._heads.get(space)
        await self._heads.load(head, [(_CHILD, str(old))])
        child = head.get((_CHILD, str(old)))
        if child is not None and child.content and await may_set(self._heads, head, user_id, _CHILD):
            await self._try_to_put(user_id, space, _CHILD, child.content, new)
            await self._try_to_put(user_id, space, _CHILD, {}, old)

    async def _put(
        self, user_id: UserID, room_id: RoomID, type_: str, content: JsonObject, state_key: str = ""
    ) -> None:
        await self._sender.send(
            Draft(room_id=room_id, type=type_, state_key=state_key, sender=user_id, content=content)
        )

    async def _try_to_put(
        self, user_id: UserID, room_id: RoomID, type_: str, content: JsonObject, state_key: str = ""
    ) -> None:
        try:
            await self._put(user_id, room_id, type_, content, state_key)
        except Forbidden:
            # The upgrade is done; this was only to help people find their way.
            return


def _state(txn: Transaction, room: int) -> list[TimelineEvent]:
    """The current state, of members only those who are banned."""
    bans = events_by_nid(txn, member_events(txn, room, "ban"))
    return [*state_without_members_at(txn, room, CURRENT), *state_events(txn, bans)]


def _tombstone(replacement: RoomID) -> JsonObject:
    return {"body": "This room has been replaced", "replacement_room": replacement}


def _ban(content: JsonObject) -> JsonObject:
    reason = content.get("reason")
    return member_content("ban", None, reason if isinstance(reason, str) else None)


def _levels(current: Event | None, create: Event, plan: Replacement) -> JsonObject:
    if current is None:
        return power_levels_content(plan.creator, plan.version, "private_chat", {}, ())
    new_creators = {plan.creator, *plan.additional_creators}
    return carried_power_levels(current.content, create, plan.version, new_creators)
