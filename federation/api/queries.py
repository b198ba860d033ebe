"""Server API: users' profiles and names of rooms.

https://spec.matrix.org/v1.19/server-server-api/#querying-for-information
"""

import msgspec

from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.profiles import Profiles
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.errors import Forbidden, InvalidParam, NotFound
from homeserver.protocol.identifiers import RoomID, ServerName, parse_room_alias, parse_user_id
from homeserver.protocol.json import JsonObject
from homeserver.rooms.directory import Directory


class ProfileQuery(msgspec.Struct):
    user_id: str
    field: str | None = None


class AliasQuery(msgspec.Struct):
    room_alias: str


class ResolvedAlias(msgspec.Struct):
    room_id: RoomID
    servers: list[ServerName]


class QueryEndpoints:
    """About users and aliases of this server; nobody is asked on behalf of others."""

    def __init__(
        self, profiles: Profiles, directory: Directory, domains: LocalDomains, *, shows_profiles: bool
    ) -> None:
        self._profiles = profiles
        self._directory = directory
        self._domains = domains
        self._shows_profiles = shows_profiles

    @endpoint("GET", "/_matrix/federation/v1/query/profile", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def query_profile(self, query: ProfileQuery) -> JsonObject:
        """Profile of a user of this server, or one field of it; {} where the field is not set."""
        if not self._shows_profiles:
            raise Forbidden("This server does not show profiles to others")
        user_id = parse_user_id(query.user_id)
        if not self._domains.is_local(user_id):
            raise InvalidParam("The user is not of this server")
        profile = await self._profiles.get(user_id)
        if profile is None:
            raise NotFound("There is no such user on this server")
        fields = profile.as_json()
        if query.field is None:
            return fields
        return {query.field: fields[query.field]} if query.field in fields else {}

    @endpoint("GET", "/_matrix/federation/v1/query/directory", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def query_directory(self, query: AliasQuery) -> ResolvedAlias:
        """The room that an alias of this server names, and who can tell more of it."""
        alias = parse_room_alias(query.room_alias)
        if not self._domains.is_local(alias):
            raise InvalidParam("The alias is not of this server")
        return ResolvedAlias(await self._directory.room_of(alias), [self._domains.default])
