"""Client API: the list of rooms that everyone may find.

https://spec.matrix.org/v1.19/client-server-api/#published-room-directory
"""

import msgspec

from config.directory import RoomDirectory
from homeserver.accounts.domains import LocalDomains
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, MissingToken
from homeserver.protocol.identifiers import RoomID, parse_server_name
from homeserver.rooms.public_rooms import PublishedRooms
from homeserver.rooms.store.descriptions import Described
from homeserver.rooms.store.published import Search

_PATH = "/_matrix/client/(v3|r0)/publicRooms"
_PAGE = 100


class PublicRoomsQuery(msgspec.Struct):
    limit: int = _PAGE
    since: str | None = None
    server: str | None = None


class ServerQuery(msgspec.Struct):
    server: str | None = None


class Filter(msgspec.Struct):
    generic_search_term: str | None = None
    room_types: list[str | None] | None = None


class PublicRoomsWish(msgspec.Struct):
    limit: int | None = None
    since: str | None = None
    filter: Filter | None = None
    include_all_networks: bool = False
    third_party_instance_id: str | None = None


class PublicRoom(msgspec.Struct, omit_defaults=True, kw_only=True):
    room_id: RoomID
    num_joined_members: int
    world_readable: bool
    guest_can_join: bool
    join_rule: str
    name: str | None = None
    topic: str | None = None
    avatar_url: str | None = None
    canonical_alias: str | None = None
    room_type: str | None = None


class PublicRoomsPage(msgspec.Struct, omit_defaults=True):
    chunk: list[PublicRoom]
    total_room_count_estimate: int
    next_batch: str | None = None
    prev_batch: str | None = None


class PublicRoomsEndpoints:
    def __init__(self, published: PublishedRooms, domains: LocalDomains, settings: RoomDirectory) -> None:
        self._published = published
        self._domains = domains
        self._settings = settings

    @endpoint("GET", _PATH, auth=Auth.OPTIONAL, limit=Limit.NONE)
    async def public_rooms(self, requester: Requester | None, query: PublicRoomsQuery) -> PublicRoomsPage:
        """Published rooms, those with most members first."""
        if requester is None and not self._settings.without_auth:
            raise MissingToken("This server shows its rooms only to those who are signed in")
        return await self._page(query.server, Search(), query.since, query.limit)

    @endpoint("POST", _PATH, auth=Auth.GUEST, limit=Limit.NONE)
    async def search_public_rooms(
        self, requester: Requester, query: ServerQuery, body: PublicRoomsWish
    ) -> PublicRoomsPage:
        """Published rooms of some types, with words in their name, alias or topic."""
        wanted = body.filter or Filter()
        search = Search((wanted.generic_search_term or "").casefold(), wanted.room_types)
        # No networks are bridged here, so a particular one has no rooms.
        if body.third_party_instance_id is not None and not body.include_all_networks:
            return PublicRoomsPage([], 0)
        return await self._page(query.server, search, body.since, body.limit or _PAGE)

    async def _page(
        self, server: str | None, search: Search, since: str | None, limit: int
    ) -> PublicRoomsPage:
        if server is not None and not self._domains.speaks_for(parse_server_name(server)):
            raise Forbidden(f"The rooms of {server} cannot be asked for: this server does not federate")
        if not self._settings.is_searchable:
            return PublicRoomsPage([], 0)
        page = await self._published.page(search, since or None, limit)
        return PublicRoomsPage(
            [public_room(room) for room in page.rooms], page.total, page.after, page.before
        )


def public_room(room: Described) -> PublicRoom:
    """https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3publicrooms (PublishedRoomsChunk)"""
    says = room.says
    return PublicRoom(
        room_id=room.room_id,
        num_joined_members=room.joined,
        world_readable=says.world_readable,
        guest_can_join=says.guest_can_join,
        join_rule=says.join_rule,
        name=says.name,
        topic=says.topic,
        avatar_url=says.avatar_url,
        canonical_alias=says.canonical_alias,
        room_type=says.room_type,
    )
