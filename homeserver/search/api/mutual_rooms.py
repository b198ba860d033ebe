"""Client API: rooms in common with another user."""

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.identifiers import RoomID, parse_user_id
from homeserver.search.mutual_rooms import MutualRooms, MutualRoomsPage


class MutualRoomsQuery(msgspec.Struct):
    user_id: list[str]
    from_: str | None = msgspec.field(name="from", default=None)


class UnstableMutualRoomsQuery(msgspec.Struct):
    user_id: list[str]
    batch_token: str | None = None


class MutualRoomList(msgspec.Struct, omit_defaults=True):
    joined: list[RoomID]
    count: int
    next_batch: str | None = None


class UnstableMutualRoomList(msgspec.Struct, omit_defaults=True):
    joined: list[RoomID]
    count: int
    next_batch_token: str | None = None


class MutualRoomsEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1mutual_rooms"""

    def __init__(self, mutual_rooms: MutualRooms) -> None:
        self._mutual_rooms = mutual_rooms

    @endpoint("GET", "/_matrix/client/v1/mutual_rooms", auth=Auth.USER, limit=Limit.NONE)
    async def mutual_rooms(self, requester: Requester, query: MutualRoomsQuery) -> MutualRoomList:
        """The rooms that the requester and another user are both joined to."""
        return MutualRoomList(*await self._page(requester, query.user_id, query.from_))

    @endpoint(
        "GET",
        "/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def unstable_mutual_rooms(
        self, requester: Requester, query: UnstableMutualRoomsQuery
    ) -> UnstableMutualRoomList:
        """The same under the names of MSC2666 that clients used before it was accepted."""
        return UnstableMutualRoomList(*await self._page(requester, query.user_id, query.batch_token))

    async def _page(self, requester: Requester, user_ids: list[str], token: str | None) -> MutualRoomsPage:
        if len(user_ids) != 1:
            raise InvalidParam("Name one user_id")
        return await self._mutual_rooms.with_user(requester, parse_user_id(user_ids[0]), token)
