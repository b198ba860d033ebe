"""What users may know of rooms in which nobody of this server is.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1room_summaryroomidoralias and #spaces
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from twisted.internet.defer import Deferred, TimeoutError, gatherResults

from homeserver.accounts.domains import LocalDomains
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, InvalidParam, MatrixError, NotFound
from homeserver.protocol.identifiers import RoomID, ServerName, server_of
from homeserver.rooms.elsewhere import RoomsElsewhere
from homeserver.rooms.previews import Previews, Visitor
from homeserver.rooms.told_elsewhere import RemoteRooms, ToldRoom, ToldSpace
from homeserver.runtime.clock import Clock
from homeserver.storage.cache import ByteBudgetCache

_TOKEN = re.compile(r"r([0-9]{1,4})")
_PATIENCE_SECONDS = 5
_REMEMBERED_SECONDS = 300
_TOLD_BYTES = 2_000

log = logging.getLogger(__name__)

IsHere = Callable[[RoomID], Awaitable[bool]]
"""Whether this server knows what the room is like."""


class RemoteSummary(NamedTuple):
    room: ToldRoom
    membership: str | None


class _Remembered(NamedTuple):
    """What was told of a room, None where nobody told; `until` is in seconds."""

    room: ToldRoom | None
    until: float


class RemotePage(NamedTuple):
    """`end` is the token to go on from, None where there is no more."""

    rooms: Sequence[ToldRoom]
    end: str | None


class RemotePreviews:
    def __init__(
        self,
        told: RemoteRooms,
        previews: Previews,
        elsewhere: RoomsElsewhere,
        is_here: IsHere,
        domains: LocalDomains,
        clock: Clock,
        budget: int,
    ) -> None:
        """`budget` is in bytes, for what is told of rooms in spaces."""
        self._clock = clock
        self._children: ByteBudgetCache[tuple[RoomID, bool], _Remembered] = ByteBudgetCache(budget)
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
        told, membership = await self._seen(requester, room_id, via, suggested_only=True)
        return RemoteSummary(told.room, membership)

    async def page(
        self, requester: Requester, room_id: RoomID, limit: int, start: str | None, *, suggested_only: bool
    ) -> RemotePage:
        """A space and the rooms in it, not those below them: these are asked for by their own.

        Raises Forbidden for a space that the requester may not know of, InvalidParam for a wrong token, and what
        servers refuse with.
        """
        passed = 0 if start is None else _passed(start)
        try:
            told, _ = await self._seen(requester, room_id, [], suggested_only=suggested_only)
        except NotFound as error:
            raise Forbidden("This room is not known here, or closed to you") from error
        visitor = await self._previews.visitor(requester)
        rooms = [told.room, *(child for child in told.children if _may_preview(visitor, child))]
        upto = passed + limit
        return RemotePage(rooms[passed:upto], f"r{upto}" if upto < len(rooms) else None)

    async def children(
        self, visitor: Visitor, via: Mapping[RoomID, Sequence[ServerName]], *, suggested_only: bool
    ) -> dict[RoomID, ToldRoom]:
        """Of rooms in a space those of which other servers tell in time, and the visitor may know."""
        told = await gatherResults(
            [
                Deferred.fromCoroutine(
                    self._child(room_id, self._servers(room_id, servers), suggested_only=suggested_only)
                )
                for room_id, servers in via.items()
            ]
        )
        return {room.room_id: room for room in told if room is not None and _may_preview(visitor, room)}

    async def _child(
        self, room_id: RoomID, servers: Sequence[ServerName], *, suggested_only: bool
    ) -> ToldRoom | None:
        """None where nobody tells in time; for a while that is not tried again."""
        key = (room_id, suggested_only)
        known = self._children.get(key)
        if known is not None and known.until > self._clock.seconds():
            return known.room
        room = None
        try:
            asked = Deferred.fromCoroutine(self._told.space(room_id, servers, suggested_only=suggested_only))
            asked.addTimeout(_PATIENCE_SECONDS, self._clock.reactor)  # type: ignore[arg-type]  # only its time is used
            room = (await asked).room
        except (MatrixError, TimeoutError) as error:
            log.info("nobody tells of the room %s in a space: %s", room_id, error)
        remembered = _Remembered(room, self._clock.seconds() + _REMEMBERED_SECONDS)
        self._children.put(key, remembered, _TOLD_BYTES)
        return room

    async def _seen(
        self, requester: Requester, room_id: RoomID, via: Sequence[ServerName], *, suggested_only: bool
    ) -> tuple[ToldSpace, str | None]:
        """What the requester may know, and their membership. Raises NotFound, and what servers refuse with."""
        row = await self._elsewhere.of(requester.user_id, room_id)
        membership = None if row is None else row.membership
        told = await self._told.space(room_id, self._servers(room_id, via), suggested_only=suggested_only)
        if membership != "invite" and not _may_preview(await self._previews.visitor(requester), told.room):
            raise NotFound("This room is closed to you")
        return told, membership

    def _servers(self, room_id: RoomID, via: Sequence[ServerName]) -> list[ServerName]:
        # Room IDs of version 12 name no server.
        named = [*via, *([ServerName(server_of(room_id))] if ":" in room_id else [])]
        return list(dict.fromkeys(name for name in named if not self._domains.speaks_for(name)))


def _passed(token: str) -> int:
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise InvalidParam("from is no token of this server")
    return int(match[1])


def _may_preview(visitor: Visitor, room: ToldRoom) -> bool:
    """As `Visitor.may_preview`, of what another server tells; it tells only what somebody here may know."""
    is_open = room.world_readable or room.join_rule in ("public", "knock", "knock_restricted")
    return is_open or not visitor.joined.isdisjoint(room.allowed_room_ids)
