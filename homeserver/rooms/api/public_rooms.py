"""Client API: the list of rooms that everyone may find.

https://spec.matrix.org/v1.19/client-server-api/#published-room-directory
"""

import msgspec

from config.directory import RoomDirectory
from homeserver.accounts.domains import LocalDomains
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import MissingToken
from homeserver.protocol.identifiers import RoomID, ServerName, parse_server_name
from homeserver.protocol.json import JsonObject
from homeserver.rooms.public_rooms import PublishedRooms, list_of
from homeserver.rooms.store.descriptions import Described
from homeserver.rooms.store.published import Search
from homeserver.rooms.told_elsewhere import ListWish, RemoteRooms, ToldPage, ToldRoom

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
    total_room_count_estimate: int | None = None
    next_batch: str | None = None
    prev_batch: str | None = None


class PublicRoomsEndpoints:
    def __init__(
        self,
        published: PublishedRooms,
        remote: RemoteRooms,
        domains: LocalDomains,
        settings: RoomDirectory,
    ) -> None:
        self._published = published
        self._remote = remote
        self._domains = domains
        self._settings = settings

    @endpoint("GET", _PATH, auth=Auth.OPTIONAL, limit=Limit.NONE)
    async def public_rooms(self, requester: Requester | None, query: PublicRoomsQuery) -> PublicRoomsPage:
        """Published rooms, those with most members first."""
        server = self._elsewhere(query.server)
        # Who is asked on whose behalf, other servers cannot tell.
        if requester is None and (server is not None or not self._settings.without_auth):
            raise MissingToken("This server shows its rooms only to those who are signed in")
        if server is not None:
            wish = ListWish(query.limit, query.since, None, False, None)
            return _told_page(await self._remote.listed(server, wish))
        return await self._page(Search(), query.since, query.limit)

    @endpoint("POST", _PATH, auth=Auth.GUEST, limit=Limit.NONE)
    async def search_public_rooms(
        self, requester: Requester, query: ServerQuery, body: PublicRoomsWish
    ) -> PublicRoomsPage:
        """Published rooms of some types, with words in their name, alias or topic."""
        server = self._elsewhere(query.server)
        if server is not None:
            return _told_page(await self._remote.listed(server, _remote_wish(body)))
        wanted = body.filter or Filter()
        network = list_of(body.third_party_instance_id, all_networks=body.include_all_networks)
        search = Search((wanted.generic_search_term or "").casefold(), wanted.room_types, network)
        return await self._page(search, body.since, body.limit or _PAGE)

    def _elsewhere(self, server: str | None) -> ServerName | None:
        """The other server that is to be asked."""
        name = None if server is None else parse_server_name(server)
        return None if name is None or self._domains.speaks_for(name) else name

    async def _page(self, search: Search, since: str | None, limit: int) -> PublicRoomsPage:
        if not self._settings.is_searchable:
            return PublicRoomsPage([], 0)
        page = await self._published.page(search, since or None, limit)
        return PublicRoomsPage(
            [public_room(room) for room in page.rooms], page.total, page.after, page.before
        )


def _remote_wish(body: PublicRoomsWish) -> ListWish:
    wanted = body.filter or Filter()
    search: JsonObject = {}
    if wanted.generic_search_term is not None:
        search["generic_search_term"] = wanted.generic_search_term
    if wanted.room_types is not None:
        search["room_types"] = wanted.room_types
    return ListWish(
        body.limit or _PAGE, body.since, search, body.include_all_networks, body.third_party_instance_id
    )


def _told_page(page: ToldPage) -> PublicRoomsPage:
    return PublicRoomsPage([_told_room(room) for room in page.rooms], page.total, page.after, page.before)


def _told_room(room: ToldRoom) -> PublicRoom:
    return PublicRoom(
        room_id=room.room_id,
        num_joined_members=room.num_joined_members,
        world_readable=room.world_readable,
        guest_can_join=room.guest_can_join,
        join_rule=room.join_rule,
        name=room.name,
        topic=room.topic,
        avatar_url=room.avatar_url,
        canonical_alias=room.canonical_alias,
        room_type=room.room_type,
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
