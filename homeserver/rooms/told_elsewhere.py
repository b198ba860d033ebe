"""What other servers tell of rooms in which nobody of this one need be: lists, and what rooms say of themselves."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from homeserver.protocol.identifiers import RoomID, ServerName
from homeserver.protocol.json import JsonObject


class ToldChild(msgspec.Struct, frozen=True):
    """A stripped event that puts a room into a space."""

    type: str
    state_key: str
    content: JsonObject
    sender: str
    origin_server_ts: int


class ToldRoom(msgspec.Struct, frozen=True, kw_only=True):
    """https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1hierarchyroomid"""

    room_id: RoomID
    num_joined_members: int
    world_readable: bool
    guest_can_join: bool
    join_rule: str = "public"
    name: str | None = None
    topic: str | None = None
    avatar_url: str | None = None
    canonical_alias: str | None = None
    room_type: str | None = None
    encryption: str | None = None
    room_version: str | None = None
    allowed_room_ids: Sequence[RoomID] = ()
    children_state: Sequence[ToldChild] = ()


@dataclass(frozen=True, slots=True)
class ListWish:
    """A page of another server's list; `search` is the filter of the request, None for all rooms."""

    limit: int
    since: str | None
    search: JsonObject | None
    include_all_networks: bool
    third_party_instance_id: str | None


@dataclass(frozen=True, slots=True)
class ToldPage:
    rooms: Sequence[ToldRoom]
    total: int | None
    after: str | None
    before: str | None


@dataclass(frozen=True, slots=True)
class ToldSpace:
    """What `server` tells: `children` are those that users of this one could enter or look into, `closed` others."""

    room: ToldRoom
    children: Sequence[ToldRoom]
    closed: Collection[RoomID]
    server: ServerName


class RemoteRooms(Protocol):
    """Implemented by `federation`. What servers refuse with is raised, RemoteFailed where they do not answer."""

    async def listed(self, server: ServerName, wish: ListWish) -> ToldPage:
        """A page of another server's list."""

    async def space(
        self, room_id: RoomID, servers: Sequence[ServerName], *, suggested_only: bool
    ) -> ToldSpace:
        """What the first of the servers that knows the room tells of it. Raises NotFound where none is named."""
