"""What users may know of rooms in which nobody of this server is.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1room_summaryroomidoralias and #spaces
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import NamedTuple

from homeserver.accounts.domains import LocalDomains
from homeserver.http.requester import Requester
from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import RoomID, ServerName, server_of
from homeserver.rooms.elsewhere import RoomsElsewhere
from homeserver.rooms.previews import Previews, Visitor
from homeserver.rooms.spaces_elsewhere import outside
from homeserver.rooms.told_elsewhere import RemoteRooms, ToldRoom, ToldSpace

IsHere = Callable[[RoomID], Awaitable[bool]]
"""Whether this server knows what the room is like."""


class RemoteSummary(NamedTuple):
    room: ToldRoom
    membership: str | None


class RemotePreviews:
    def __init__(
        self,
        told: RemoteRooms,
        previews: Previews,
        elsewhere: RoomsElsewhere,
        is_here: IsHere,
        domains: LocalDomains,
    ) -> None:
        self._told = told
        self._previews = previews
        self._elsewhere = elsewhere
        self._is_here = is_here
        self._domains = domains

    async def is_elsewhere(self, room_id: RoomID) -> bool:
        return not await self._is_here(room_id)

    async def summary(
        self, requester: Requester, room_id: RoomID, via: Sequence[ServerName]
    ) -> RemoteSummary:
        """Raises NotFound, also for rooms of which the requester may know nothing, and what servers refuse with."""
        told, membership = await self.seen(requester, room_id, via, suggested_only=True)
        return RemoteSummary(told.room, membership)

    async def visible(
        self, requester: Requester, visitor: Visitor, rooms: Collection[ToldRoom]
    ) -> frozenset[RoomID]:
        """Those of the rooms of which the visitor, who is the requester, may know."""
        visible = {room.room_id for room in rooms if _may_preview(visitor, room)}
        closed = {room.room_id for room in rooms} - visible
        invited = await self._elsewhere.inviting(requester.user_nid, closed) if closed else set()
        return frozenset(visible | invited)

    async def seen(
        self, requester: Requester, room_id: RoomID, via: Sequence[ServerName], *, suggested_only: bool
    ) -> tuple[ToldSpace, str | None]:
        """What the requester may know, and their membership. Raises NotFound, and what servers refuse with."""
        row = await self._elsewhere.of(requester.user_id, room_id)
        membership = None if row is None else row.membership
        # Room IDs of version 12 name no server, but whoever invites is of one.
        inviters = [] if row is None else [server_of(row.sender)]
        servers = outside(self._domains, room_id, [*via, *inviters])
        told = await self._told.space(room_id, servers, suggested_only=suggested_only)
        if membership != "invite" and not _may_preview(await self._previews.visitor(requester), told.room):
            raise NotFound("This room is closed to you")
        return told, membership


def _may_preview(visitor: Visitor, room: ToldRoom) -> bool:
    """As `Visitor.may_preview`, of what another server tells; it tells only what somebody here may know."""
    is_open = room.world_readable or room.join_rule in ("public", "knock", "knock_restricted")
    return is_open or not visitor.joined.isdisjoint(room.allowed_room_ids)
