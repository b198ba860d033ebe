"""Profiles of users of other servers, as clients ask for them."""

from federation.client.queries import QueryCalls
from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.profile import AVATAR_URL, DISPLAYNAME
from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject

_TEXTS = (DISPLAYNAME, AVATAR_URL, "m.tz")


class RemoteProfileLookup:
    """Implements `homeserver.accounts.remote_profiles.RemoteProfiles`."""

    def __init__(self, queries: QueryCalls, domains: LocalDomains) -> None:
        self._queries = queries
        self._domains = domains

    async def profile(self, user_id: UserID) -> JsonObject:
        if self._domains.is_local(user_id):
            raise NotFound("There is no such user on this server")
        told = await self._queries.profile(user_id)
        # What clients take for text is text, whatever their server says.
        return {key: value for key, value in told.items() if key not in _TEXTS or isinstance(value, str)}
