"""Client API: creating rooms and listing one's own."""

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import RoomID
from homeserver.rooms.create import CreateRoom, RoomCreator
from homeserver.rooms.members import Members


class CreatedRoom(msgspec.Struct):
    room_id: RoomID


class JoinedRooms(msgspec.Struct):
    joined_rooms: list[RoomID]


class RoomCreationEndpoints:
    def __init__(self, creator: RoomCreator, members: Members) -> None:
        self._creator = creator
        self._members = members

    @endpoint(
        "POST",
        "/_matrix/client/(v3|r0)/createRoom",
        auth=Auth.USER,
        limit=Limit.ROOM_CREATION,
        suspended=False,
    )
    async def create_room(self, requester: Requester, body: CreateRoom) -> CreatedRoom:
        """Creates a room of which the requester is the first member."""
        return CreatedRoom(await self._creator.create(requester.user_id, body))

    @endpoint("GET", "/_matrix/client/(v3|r0)/joined_rooms", auth=Auth.GUEST, limit=Limit.NONE)
    async def joined_rooms(self, requester: Requester) -> JoinedRooms:
        """The rooms that the requester is joined to."""
        return JoinedRooms(await self._members.room_ids(requester.user_nid, "join"))
