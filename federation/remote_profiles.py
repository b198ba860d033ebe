"""Profiles of users of other servers, as clients ask for them."""

from federation.client.queries import QueryCalls
from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject


class RemoteProfileLookup:
    """Implements `homeserver.accounts.remote_profiles.RemoteProfiles`."""

    def __init__(self, queries: QueryCalls, domains: LocalDomains) -> None:
        self._queries = queries
        self._domains = domains

    async def profile(self, user_id: UserID) -> JsonObject:
        if self._domains.is_local(user_id):
            raise NotFound("There is no such user on this server")
        return await self._queries.profile(user_id)
