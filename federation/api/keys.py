"""Server API: this server's keys, and those of others.

https://spec.matrix.org/v1.19/server-server-api/#retrieving-server-keys
"""

from typing import Annotated

import msgspec

from federation.notary import Notary
from federation.own_keys import OwnKeys
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.identifiers import ServerName, parse_server_name
from homeserver.protocol.json import JsonObject
from homeserver.runtime.clock import Clock

_MOST_SERVERS = 1000

Timestamp = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class KeyQuery(msgspec.Struct):
    minimum_valid_until_ts: Timestamp | None = None


class Criteria(msgspec.Struct):
    minimum_valid_until_ts: Timestamp | None = None


class BulkKeyQuery(msgspec.Struct):
    """Criteria by server and key."""

    server_keys: dict[str, dict[str, Criteria]]


class ServerKeys(msgspec.Struct):
    server_keys: list[JsonObject]


class ServerKeyEndpoints:
    """Whoever wants to check a signature asks here, and need not say who they are."""

    def __init__(self, own: OwnKeys, notary: Notary, clock: Clock) -> None:
        self._own = own
        self._notary = notary
        self._clock = clock

    @endpoint("GET", "/_matrix/key/v2/server", auth=Auth.NONE, limit=Limit.NONE)
    async def own_keys(self) -> JsonObject:
        """This server's keys."""
        return self._own.published()

    @endpoint("GET", "/_matrix/key/v2/server/{key_id}", auth=Auth.NONE, limit=Limit.NONE)
    async def own_key(self, key_id: str) -> JsonObject:
        """The same, as older servers ask for it."""
        return self._own.published()

    @endpoint("GET", "/_matrix/key/v2/query/{server_name}", auth=Auth.NONE, limit=Limit.NONE)
    async def query(self, server_name: str, query: KeyQuery) -> ServerKeys:
        """Another server's keys."""
        until = self._until([query.minimum_valid_until_ts])
        return ServerKeys(await self._notary.answers({parse_server_name(server_name): until}))

    @endpoint("GET", "/_matrix/key/v2/query/{server_name}/{key_id}", auth=Auth.NONE, limit=Limit.NONE)
    async def query_key(self, server_name: str, key_id: str, query: KeyQuery) -> ServerKeys:
        """The same, as older servers ask for it."""
        return await self.query(server_name, query)

    @endpoint("POST", "/_matrix/key/v2/query", auth=Auth.NONE, limit=Limit.NONE)
    async def query_many(self, body: BulkKeyQuery) -> ServerKeys:
        """Keys of several servers."""
        if len(body.server_keys) > _MOST_SERVERS:
            raise InvalidParam(f"Ask for {_MOST_SERVERS} servers at most")
        wanted: dict[ServerName, int] = {}
        for name, criteria in body.server_keys.items():
            until = self._until([each.minimum_valid_until_ts for each in criteria.values()])
            wanted[parse_server_name(name)] = until
        return ServerKeys(await self._notary.answers(wanted))

    def _until(self, minimums: list[int | None]) -> int:
        now_ms = self._clock.now_ms()
        return max((now_ms if each is None else each for each in minimums), default=now_ms)
