"""Carries a plan out on a homeserver, in the plan's order, through the API that every client uses."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from .content import event_of
from .plan import Kind, Person, Plan, Room
from .resident import Registry, Resident

T = TypeVar("T")


class Progress:
    """Is told what is being made, how many of it are there, and of how many."""

    def __init__(self, show: Callable[[str, int, int], None]) -> None:
        self._show = show

    def over(self, name: str, items: Sequence[T]) -> Iterator[T]:
        self._show(name, 0, len(items))
        for number, item in enumerate(items, 1):
            yield item
            self._show(name, number, len(items))


async def build(plan: Plan, registry: Registry, progress: Progress) -> None:
    """Raises SeedError."""
    residents: dict[Person, Resident] = {}
    try:
        for person in progress.over("people", plan.people):
            residents[person] = await registry.register(person)
        room_ids = await _build_rooms(plan, residents, progress)
        event_ids: list[str] = []
        for line in progress.over("messages", plan.lines):
            type_, content = event_of(line, event_ids)
            txn_id = f"seed-{len(event_ids)}"
            event_ids.append(await residents[line.sender].send(room_ids[line.room], type_, txn_id, content))
    finally:
        registry.close()
        for resident in residents.values():
            resident.close()


async def _build_rooms(plan: Plan, residents: dict[Person, Resident], progress: Progress) -> list[str]:
    room_ids = []
    for room in progress.over("rooms", plan.rooms):
        room_ids.append(await _build_room(room, residents))
    space = room_ids[0]
    keeper = residents[plan.rooms[0].members[0]]
    for room, room_id in zip(plan.rooms, room_ids, strict=True):
        if room.kind is Kind.PUBLIC:
            child = {"via": [keeper.server_name], "suggested": True}
            await keeper.set_state(space, "m.space.child", room_id, child)
    await _list_direct_chats(plan, room_ids, residents)
    return room_ids


async def _build_room(room: Room, residents: dict[Person, Resident]) -> str:
    creator, *others = (residents[person] for person in room.members)
    visitors = [residents[person] for person in room.visitors]
    is_open = room.kind in (Kind.SPACE, Kind.PUBLIC)
    wish = _wish(room)
    if not is_open:
        wish["invite"] = [resident.user_id for resident in (*others, *visitors)]
    room_id = await creator.create_room(wish)
    for resident in (*others, *visitors) if is_open else others:
        await resident.join(room_id)
    if is_open:
        for resident in visitors:
            await resident.leave(room_id)
    return room_id


def _wish(room: Room) -> dict[str, Any]:
    """The body of POST /createRoom."""
    wish: dict[str, Any] = {"preset": "private_chat"}
    if room.kind in (Kind.SPACE, Kind.PUBLIC):
        wish = {"preset": "public_chat", "visibility": "public"}
    if room.kind is Kind.SPACE:
        wish["creation_content"] = {"type": "m.space"}
    if room.kind is Kind.DIRECT:
        wish = {"preset": "trusted_private_chat", "is_direct": True}
    given = {"room_alias_name": room.alias, "name": room.name, "topic": room.topic}
    return wish | {key: value for key, value in given.items() if value is not None}


async def _list_direct_chats(plan: Plan, room_ids: Sequence[str], residents: dict[Person, Resident]) -> None:
    """Clients know a direct chat by the account data of both who are in it.

    https://spec.matrix.org/v1.19/client-server-api/#direct-messaging
    """
    for room, room_id in zip(plan.rooms, room_ids, strict=True):
        if room.kind is Kind.DIRECT:
            one, other = (residents[person] for person in room.members)
            # Each person is in one direct chat at most, so this is the whole list.
            await one.set_account_data("m.direct", {other.user_id: [room_id]})
            await other.set_account_data("m.direct", {one.user_id: [room_id]})
