"""Server API: spaces.

https://spec.matrix.org/v1.19/server-server-api/#spaces
"""

import msgspec

from federation.resident.spaces import SpaceRoom, Spaces
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.identifiers import RoomID, ServerName
from homeserver.protocol.json import JsonObject


class SpaceQuery(msgspec.Struct):
    suggested_only: bool = False


class Hierarchy(msgspec.Struct):
    room: JsonObject
    children: list[JsonObject]
    inaccessible_children: list[RoomID]


class SpaceEndpoints:
    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces

    @endpoint(
        "GET",
        "/_matrix/federation/v1/hierarchy/{room_id}",
        # The same before it was in the specification.
        "/_matrix/federation/unstable/org.matrix.msc2946/hierarchy/{room_id}",
        auth=Auth.SERVER,
        limit=Limit.FEDERATION,
    )
    async def space(self, origin: ServerName, room_id: RoomID, query: SpaceQuery) -> Hierarchy:
        """A space, and the rooms in it that users of the server could enter or look into."""
        space = await self._spaces.of(origin, room_id, suggested_only=query.suggested_only)
        children = [_summary(child) for child in space.children]
        return Hierarchy(_summary(space.room), children, list(space.closed))


def _summary(found: SpaceRoom) -> JsonObject:
    room, says = found.room, found.room.says
    optional = {
        "name": says.name,
        "topic": says.topic,
        "avatar_url": says.avatar_url,
        "canonical_alias": says.canonical_alias,
        "room_type": says.room_type,
        "encryption": says.encryption,
    }
    return {
        "room_id": room.room_id,
        "num_joined_members": room.joined,
        "world_readable": says.world_readable,
        "guest_can_join": says.guest_can_join,
        "join_rule": says.join_rule,
        "room_version": room.version,
        "allowed_room_ids": list(says.allowed),
        "children_state": list(found.children),
        **{key: value for key, value in optional.items() if value is not None},
    }
