"""Client API: names of rooms, and the list of rooms that everyone may find.

https://spec.matrix.org/v1.19/client-server-api/#room-aliases and #published-room-directory
"""

from typing import Literal

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden
from homeserver.protocol.identifiers import RoomAlias, RoomID, ServerName, parse_room_alias, parse_room_id
from homeserver.rooms.alias_lookup import AliasLookup
from homeserver.rooms.aliases import Aliases
from homeserver.rooms.api.membership import Empty
from homeserver.rooms.directory import Directory
from homeserver.rooms.view import CURRENT, RoomViews

_ALIAS = "/_matrix/client/(v3|r0)/directory/room/{room_alias}"
_LISTED = "/_matrix/client/(v3|r0)/directory/list/room/{room_id}"


class NewAlias(msgspec.Struct):
    room_id: str


class ResolvedAlias(msgspec.Struct):
    room_id: RoomID
    servers: list[ServerName]


class RoomAliases(msgspec.Struct):
    aliases: list[RoomAlias]


class Visibility(msgspec.Struct):
    visibility: Literal["public", "private"] = "public"


class DirectoryEndpoints:
    def __init__(self, aliases: Aliases, directory: Directory, lookup: AliasLookup, views: RoomViews) -> None:
        self._aliases = aliases
        self._directory = directory
        self._lookup = lookup
        self._views = views

    @endpoint("GET", _ALIAS, auth=Auth.NONE, limit=Limit.NONE)
    async def resolve(self, room_alias: str) -> ResolvedAlias:
        """The room that an alias points to."""
        room_id, servers = await self._lookup.find(parse_room_alias(room_alias))
        return ResolvedAlias(room_id, list(servers))

    @endpoint("PUT", _ALIAS, auth=Auth.USER, limit=Limit.NONE, suspended=False)
    async def set_alias(self, requester: Requester, room_alias: str, body: NewAlias) -> Empty:
        """Points an alias to a room."""
        alias = parse_room_alias(room_alias)
        await self._aliases.set(requester, alias, parse_room_id(body.room_id))
        return Empty()

    @endpoint("DELETE", _ALIAS, auth=Auth.USER, limit=Limit.NONE, suspended=False)
    async def remove_alias(self, requester: Requester, room_alias: str) -> Empty:
        """Deletes an alias."""
        await self._aliases.remove(requester, parse_room_alias(room_alias))
        return Empty()

    @endpoint(
        "GET",
        "/_matrix/client/(v3|r0)/rooms/{room_id}/aliases",
        "/_matrix/client/unstable/org.matrix.msc2432/rooms/{room_id}/aliases",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def aliases(self, requester: Requester, room_id: RoomID) -> RoomAliases:
        """The aliases that this server has for a room."""
        if not requester.is_admin:
            view = await self._views.of(requester, room_id)
            if view.line != CURRENT:
                raise Forbidden("You are not in this room")
        return RoomAliases(await self._directory.aliases_of(room_id))

    @endpoint("GET", _LISTED, auth=Auth.NONE, limit=Limit.NONE)
    async def visibility(self, room_id: RoomID) -> Visibility:
        """Whether a room is on the list of public rooms."""
        return Visibility("public" if await self._aliases.is_published(room_id) else "private")

    @endpoint("PUT", _LISTED, auth=Auth.USER, limit=Limit.NONE, suspended=False)
    async def set_visibility(self, requester: Requester, room_id: RoomID, body: Visibility) -> Empty:
        """Puts a room onto the list of public rooms, or takes it off."""
        await self._aliases.publish(requester, room_id, wanted=body.visibility == "public")
        return Empty()
