"""Asking other servers about users, aliases, rooms and themselves.

https://spec.matrix.org/v1.19/server-server-api/#querying-for-information and the sections before it
"""

import msgspec

from federation.transport import Call, Query, Transport, path_of
from homeserver.http.outbound import Bounds
from homeserver.protocol.errors import RemoteFailed, Unrecognized
from homeserver.protocol.identifiers import USER_ID, RoomAlias, RoomID, ServerName, UserID, server_of
from homeserver.protocol.json import JsonObject

_V1 = "/_matrix/federation/v1"
# A profile has 64 KiB, as canonical JSON.
_PROFILE_BOUNDS = Bounds(seconds=30, body=256 * 1024)


class ResolvedAlias(msgspec.Struct):
    room_id: RoomID
    servers: list[ServerName]


class PublicRoomsPage(msgspec.Struct):
    chunk: list[JsonObject]
    next_batch: str | None = None
    prev_batch: str | None = None
    total_room_count_estimate: int | None = None


class RoomHierarchy(msgspec.Struct):
    """A space, its children that the other server could tell of, and those that nobody may see."""

    room: JsonObject
    children: list[JsonObject]
    inaccessible_children: list[RoomID] = []


class _Complexity(msgspec.Struct):
    v1: float


class _Subject(msgspec.Struct):
    sub: str


class _Implementation(msgspec.Struct):
    name: str = ""
    version: str = ""


class _Version(msgspec.Struct):
    server: _Implementation = msgspec.field(default_factory=_Implementation)


class QueryCalls:
    """Every method raises what `Transport.send` does."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def profile(self, user_id: UserID, field: str | None = None) -> JsonObject:
        """A user's profile as their server tells it, or one field of it, {} where it is not set. Raises NotFound."""
        query = {"user_id": user_id, "field": field}
        call = Call(method="GET", path=_V1 + "/query/profile", query=query, bounds=_PROFILE_BOUNDS)
        return await self._transport.ask(server_of(user_id), call, JsonObject)

    async def directory(self, alias: RoomAlias) -> ResolvedAlias:
        """The room that an alias of another server names. Raises NotFound."""
        call = Call(method="GET", path=_V1 + "/query/directory", query={"room_alias": alias})
        return await self._transport.ask(server_of(alias), call, ResolvedAlias)

    async def public_rooms(
        self,
        destination: ServerName,
        *,
        limit: int,
        since: str | None = None,
        search_filter: JsonObject | None = None,
        include_all_networks: bool = False,
        third_party_instance_id: str | None = None,
    ) -> PublicRoomsPage:
        """A page of another server's list, searched where there is a filter."""
        asked = {
            "limit": limit,
            "since": since,
            "include_all_networks": include_all_networks,
            "third_party_instance_id": third_party_instance_id,
        }
        path = _V1 + "/publicRooms"
        if search_filter is None:
            return await self._transport.ask(
                destination, Call(method="GET", path=path, query=asked), PublicRoomsPage
            )
        content = {key: value for key, value in asked.items() if value is not None}
        call = Call(method="POST", path=path, content={**content, "filter": search_filter})
        return await self._transport.ask(destination, call, PublicRoomsPage)

    async def hierarchy(
        self, destination: ServerName, room_id: RoomID, *, suggested_only: bool
    ) -> RoomHierarchy:
        path = path_of(_V1 + "/hierarchy/{}", room_id)
        query: Query = {"suggested_only": suggested_only}
        try:
            return await self._transport.ask(
                destination, Call(method="GET", path=path, query=query), RoomHierarchy
            )
        except Unrecognized:
            older = path_of("/_matrix/federation/unstable/org.matrix.msc2946/hierarchy/{}", room_id)
            return await self._transport.ask(
                destination, Call(method="GET", path=older, query=query), RoomHierarchy
            )

    async def complexity(self, destination: ServerName, room_id: RoomID) -> float:
        """How much a room asks of those who join it; 1 for every 500 events of state. Synapse's own question."""
        path = path_of("/_matrix/federation/unstable/rooms/{}/complexity", room_id)
        return (await self._transport.ask(destination, Call(method="GET", path=path), _Complexity)).v1

    async def openid_userinfo(self, destination: ServerName, access_token: str) -> UserID:
        """Whom an OpenID token, which `destination` gave out, belongs to. Not signed, as anybody may ask."""
        query = {"access_token": access_token}
        call = Call(method="GET", path=_V1 + "/openid/userinfo", query=query, signed=False)
        subject = (await self._transport.ask(destination, call, _Subject)).sub
        if USER_ID.fullmatch(subject) is None or server_of(subject) != destination:
            raise RemoteFailed(f"{destination} speaks for somebody who is no user of it")
        return UserID(subject)

    async def version(self, destination: ServerName) -> tuple[str, str]:
        """Name and version of the program; empty where the server keeps them to itself."""
        call = Call(method="GET", path=_V1 + "/version", signed=False)
        server = (await self._transport.ask(destination, call, _Version)).server
        return server.name, server.version
