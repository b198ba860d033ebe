"""Client API: what rooms say of themselves to those who are not in them.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1room_summaryroomidoralias and #spaces
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import MissingToken
from homeserver.protocol.identifiers import RoomID, parse_room_alias, parse_room_id, parse_server_name
from homeserver.protocol.json import encode_json
from homeserver.rooms.alias_lookup import AliasLookup
from homeserver.rooms.hierarchy import DEEPEST, LARGEST_PAGE, Hierarchies, HierarchyRoom
from homeserver.rooms.previews import Previews
from homeserver.rooms.previews_elsewhere import RemotePreviews
from homeserver.rooms.space_trees import HierarchyWish
from homeserver.rooms.store.descriptions import Described
from homeserver.rooms.stripped import dated_stripped_event
from homeserver.rooms.told_elsewhere import ToldRoom


class RoomSummary(msgspec.Struct, omit_defaults=True, kw_only=True):
    room_id: RoomID
    num_joined_members: int
    world_readable: bool
    guest_can_join: bool
    join_rule: str
    room_version: str | None = None
    name: str | None = None
    topic: str | None = None
    avatar_url: str | None = None
    canonical_alias: str | None = None
    room_type: str | None = None
    encryption: str | None = None
    allowed_room_ids: Sequence[RoomID] | None = None
    membership: str | None = None
    children_state: Sequence[msgspec.Raw] | None = None


class SummaryQuery(msgspec.Struct):
    via: list[str] = []


class HierarchyQuery(msgspec.Struct):
    suggested_only: bool = False
    limit: Annotated[int, msgspec.Meta(ge=1)] = LARGEST_PAGE
    max_depth: Annotated[int, msgspec.Meta(ge=0)] = DEEPEST
    from_: str | None = msgspec.field(name="from", default=None)


class HierarchyAnswer(msgspec.Struct, omit_defaults=True):
    rooms: list[RoomSummary]
    next_batch: str | None = None


class PreviewEndpoints:
    def __init__(
        self, previews: Previews, hierarchies: Hierarchies, remote: RemotePreviews, lookup: AliasLookup
    ) -> None:
        self._previews = previews
        self._hierarchies = hierarchies
        self._remote = remote
        self._lookup = lookup

    @endpoint(
        "GET",
        "/_matrix/client/v1/room_summary/{room_id_or_alias}",
        "/_matrix/client/unstable/im.nheko.summary/summary/{room_id_or_alias}",
        "/_matrix/client/unstable/im.nheko.summary/rooms/{room_id_or_alias}/summary",
        auth=Auth.OPTIONAL,
        limit=Limit.NONE,
    )
    async def summary(
        self, requester: Requester | None, room_id_or_alias: str, query: SummaryQuery
    ) -> RoomSummary:
        """What a room says of itself."""
        via = [parse_server_name(name) for name in query.via]
        if room_id_or_alias.startswith("#"):
            alias = parse_room_alias(room_id_or_alias)
            if requester is None and not self._lookup.is_local(alias):
                raise MissingToken("Other servers are asked only for those who are signed in")
            room_id, servers = await self._lookup.find(alias)
            via += servers
        else:
            room_id = parse_room_id(room_id_or_alias)
        if requester is not None and await self._remote.is_elsewhere(room_id):
            told = await self._remote.summary(requester, room_id, via)
            return _told_summary(told.room, told.membership)
        summary = await self._previews.summary(requester, room_id)
        return room_summary(summary.room, membership=summary.membership)

    @endpoint(
        "GET",
        "/_matrix/client/v1/rooms/{room_id}/hierarchy",
        "/_matrix/client/unstable/org.matrix.msc2946/rooms/{room_id}/hierarchy",
        auth=Auth.GUEST,
        limit=Limit.NONE,
    )
    async def hierarchy(
        self, requester: Requester, room_id: RoomID, query: HierarchyQuery
    ) -> HierarchyAnswer:
        """The rooms of a space, and of the spaces in it."""
        limit = min(query.limit, LARGEST_PAGE)
        wish = HierarchyWish(min(query.max_depth, DEEPEST), query.suggested_only, limit, query.from_)
        page = await self._hierarchies.page(requester, room_id, wish)
        return HierarchyAnswer(
            [
                _in_hierarchy(room) if isinstance(room, HierarchyRoom) else _told_in_hierarchy(room)
                for room in page.rooms
            ],
            page.end,
        )


def room_summary(
    room: Described, *, membership: str | None = None, children: Sequence[msgspec.Raw] | None = None
) -> RoomSummary:
    """`children` are the stripped events that put rooms into a space."""
    says = room.says
    return RoomSummary(
        room_id=room.room_id,
        num_joined_members=room.joined,
        world_readable=says.world_readable,
        guest_can_join=says.guest_can_join,
        join_rule=says.join_rule,
        room_version=room.version,
        name=says.name,
        topic=says.topic,
        avatar_url=says.avatar_url,
        canonical_alias=says.canonical_alias,
        room_type=says.room_type,
        encryption=says.encryption,
        allowed_room_ids=says.allowed or None,
        membership=membership,
        children_state=children,
    )


def _in_hierarchy(found: HierarchyRoom) -> RoomSummary:
    return room_summary(found.room, children=[dated_stripped_event(event) for event in found.children])


def _told_summary(
    room: ToldRoom, membership: str | None = None, children: Sequence[msgspec.Raw] | None = None
) -> RoomSummary:
    return RoomSummary(
        room_id=room.room_id,
        num_joined_members=room.num_joined_members,
        world_readable=room.world_readable,
        guest_can_join=room.guest_can_join,
        join_rule=room.join_rule,
        room_version=room.room_version,
        name=room.name,
        topic=room.topic,
        avatar_url=room.avatar_url,
        canonical_alias=room.canonical_alias,
        room_type=room.room_type,
        encryption=room.encryption,
        allowed_room_ids=room.allowed_room_ids or None,
        membership=membership,
        children_state=children,
    )


def _told_in_hierarchy(room: ToldRoom) -> RoomSummary:
    return _told_summary(room, children=[msgspec.Raw(encode_json(child)) for child in room.children_state])
