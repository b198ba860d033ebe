"""Rooms that other servers tell of (`homeserver.rooms.told_elsewhere.RemoteRooms`)."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from federation.client.queries import QueryCalls, RoomHierarchy
from federation.joining.attempts import first_answer
from homeserver.protocol.errors import RemoteFailed
from homeserver.protocol.identifiers import ROOM_ID, RoomID, ServerName
from homeserver.protocol.json import JsonObject
from homeserver.rooms.told_elsewhere import ListWish, ToldChild, ToldPage, ToldRoom, ToldSpace

_MOST_CHILDREN = 100
_MOST_EVENTS = 1_000

T = TypeVar("T")


class RoomsToldOf:
    """What is malformed in an answer is left out."""

    def __init__(self, queries: QueryCalls) -> None:
        self._queries = queries

    async def listed(self, server: ServerName, wish: ListWish) -> ToldPage:
        """See `RemoteRooms`."""
        page = await self._queries.public_rooms(
            server,
            limit=wish.limit,
            since=wish.since,
            search_filter=wish.search,
            include_all_networks=wish.include_all_networks,
            third_party_instance_id=wish.third_party_instance_id,
        )
        total = page.total_room_count_estimate
        # A server that sends more than it was asked for is not believed.
        return ToldPage(_rooms(page.chunk[: wish.limit]), total, page.next_batch, page.prev_batch)

    async def space(
        self, room_id: RoomID, servers: Sequence[ServerName], *, suggested_only: bool
    ) -> ToldSpace:
        """See `RemoteRooms`."""

        async def by(server: ServerName) -> ToldSpace:
            told: RoomHierarchy = await self._queries.hierarchy(
                server, room_id, suggested_only=suggested_only
            )
            rooms = _rooms([told.room])
            if not rooms or rooms[0].room_id != room_id:
                raise RemoteFailed(f"{server} was asked for one room and told of another")
            children = _rooms(told.children[:_MOST_CHILDREN])
            return ToldSpace(rooms[0], children, frozenset(told.inaccessible_children), server)

        return await first_answer(servers, by)


def _rooms(told: Iterable[JsonObject]) -> list[ToldRoom]:
    rooms = []
    for each in told:
        room = _converted({**each, "children_state": _children(each)}, ToldRoom)
        if room is not None and ROOM_ID.fullmatch(room.room_id) is not None:
            rooms.append(room)
    return rooms


def _children(room: JsonObject) -> list[ToldChild]:
    told = room.get("children_state")
    events = told[:_MOST_EVENTS] if isinstance(told, list) else []
    return [child for event in events if (child := _converted(event, ToldChild)) is not None]


def _converted(told: object, kind: type[T]) -> T | None:
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError:
        return None
