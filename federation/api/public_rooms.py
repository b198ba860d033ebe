"""Server API: the list of rooms that everyone may find.

https://spec.matrix.org/v1.19/server-server-api/#published-room-directory
"""

import msgspec

from config.directory import RoomDirectory
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.errors import Forbidden
from homeserver.protocol.json import JsonObject
from homeserver.rooms.public_rooms import PublishedRooms, list_of
from homeserver.rooms.store.descriptions import Described
from homeserver.rooms.store.published import Search

_PATH = "/_matrix/federation/v1/publicRooms"
_PAGE = 100


class PublicRoomsQuery(msgspec.Struct):
    limit: int = _PAGE
    since: str | None = None
    include_all_networks: bool = False
    third_party_instance_id: str | None = None


class Filter(msgspec.Struct):
    generic_search_term: str | None = None
    room_types: list[str | None] | None = None


class PublicRoomsWish(msgspec.Struct):
    limit: int | None = None
    since: str | None = None
    filter: Filter | None = None
    include_all_networks: bool = False
    third_party_instance_id: str | None = None


class PublicRoomsPage(msgspec.Struct, omit_defaults=True):
    chunk: list[JsonObject]
    total_room_count_estimate: int | None = None
    next_batch: str | None = None
    prev_batch: str | None = None


class FederationPublicRoomsEndpoints:
    def __init__(self, published: PublishedRooms, settings: RoomDirectory, *, is_shown: bool) -> None:
        self._published = published
        self._settings = settings
        self._is_shown = is_shown

    @endpoint("GET", _PATH, auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def public_rooms(self, query: PublicRoomsQuery) -> PublicRoomsPage:
        """Published rooms, those with most members first."""
        network = list_of(query.third_party_instance_id, all_networks=query.include_all_networks)
        return await self._page(Search(network=network), query.since, query.limit)

    @endpoint("POST", _PATH, auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def search_public_rooms(self, body: PublicRoomsWish) -> PublicRoomsPage:
        """Published rooms of some types, with words in their name, alias or topic."""
        wanted = body.filter or Filter()
        network = list_of(body.third_party_instance_id, all_networks=body.include_all_networks)
        search = Search((wanted.generic_search_term or "").casefold(), wanted.room_types, network)
        return await self._page(search, body.since, body.limit or _PAGE)

    async def _page(self, search: Search, since: str | None, limit: int) -> PublicRoomsPage:
        if not self._is_shown:
            raise Forbidden("This server does not show its rooms to others")
        if not self._settings.is_searchable:
            return PublicRoomsPage([], 0)
        page = await self._published.page(search, since or None, limit)
        return PublicRoomsPage(
            [_public_room(room) for room in page.rooms], page.total, page.after, page.before
        )


def _public_room(room: Described) -> JsonObject:
    says = room.says
    optional = {
        "name": says.name,
        "topic": says.topic,
        "avatar_url": says.avatar_url,
        "canonical_alias": says.canonical_alias,
        "room_type": says.room_type,
    }
    return {
        "room_id": room.room_id,
        "num_joined_members": room.joined,
        "world_readable": says.world_readable,
        "guest_can_join": says.guest_can_join,
        "join_rule": says.join_rule,
        **{key: value for key, value in optional.items() if value is not None},
    }
