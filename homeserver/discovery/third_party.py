"""Client API: networks that are bridged to Matrix, and where their users and rooms are.

https://spec.matrix.org/v1.19/client-server-api/#third-party-networks
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import IDENTITY_PARAMETERS, Requester
from homeserver.protocol.errors import MissingParam, NotFound
from homeserver.protocol.identifiers import RoomAlias, UserID, parse_room_alias, parse_user_id
from homeserver.protocol.json import JsonObject

_THIRD_PARTY = "/_matrix/client/(v3|r0)/thirdparty"


class Networks(Protocol):
    """The networks that application services bridge. Answers are in the specification's form."""

    async def protocols(self) -> Mapping[str, JsonObject]:
        """The known protocols by name."""

    async def protocol(self, name: str) -> JsonObject | None:
        """One of them; None where it is not known."""

    async def locations(self, protocol: str, fields: Mapping[str, str]) -> Sequence[JsonObject]:
        """Rooms that represent a place of a known protocol, which is described by fields of that protocol."""

    async def users(self, protocol: str, fields: Mapping[str, str]) -> Sequence[JsonObject]:
        """Users who represent somebody of a known protocol, who is described by fields of that protocol."""

    async def locations_of_alias(self, alias: RoomAlias) -> Sequence[JsonObject]: ...

    async def users_of(self, user_id: UserID) -> Sequence[JsonObject]: ...


class AliasQuery(msgspec.Struct):
    alias: str | None = None


class UserQuery(msgspec.Struct):
    userid: str | None = None


class ThirdPartyEndpoints:
    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    @endpoint("GET", _THIRD_PARTY + "/protocols", auth=Auth.USER, limit=Limit.NONE)
    async def protocols(self, requester: Requester) -> Mapping[str, JsonObject]:
        """The networks that are bridged."""
        return await self._networks.protocols()

    @endpoint("GET", _THIRD_PARTY + "/protocol/{protocol}", auth=Auth.USER, limit=Limit.NONE)
    async def protocol(self, requester: Requester, protocol: str) -> JsonObject:
        """One of them."""
        return await self._known(protocol)

    @endpoint("GET", _THIRD_PARTY + "/location/{protocol}", auth=Auth.USER, limit=Limit.NONE)
    async def locations(
        self, requester: Requester, protocol: str, query: dict[str, str]
    ) -> Sequence[JsonObject]:
        """Rooms that represent a place of a network."""
        await self._known(protocol)
        return await self._networks.locations(protocol, _fields(requester, query))

    @endpoint("GET", _THIRD_PARTY + "/user/{protocol}", auth=Auth.USER, limit=Limit.NONE)
    async def users(self, requester: Requester, protocol: str, query: dict[str, str]) -> Sequence[JsonObject]:
        """Users who represent somebody of a network."""
        await self._known(protocol)
        return await self._networks.users(protocol, _fields(requester, query))

    @endpoint("GET", _THIRD_PARTY + "/location", auth=Auth.USER, limit=Limit.NONE)
    async def locations_of_alias(self, requester: Requester, query: AliasQuery) -> Sequence[JsonObject]:
        """The places that a room represents."""
        if query.alias is None:
            raise MissingParam("alias is needed")
        return _found(await self._networks.locations_of_alias(parse_room_alias(query.alias)))

    @endpoint("GET", _THIRD_PARTY + "/user", auth=Auth.USER, limit=Limit.NONE)
    async def users_of(self, requester: Requester, query: UserQuery) -> Sequence[JsonObject]:
        """Whom a user represents in networks."""
        if query.userid is None:
            raise MissingParam("userid is needed")
        return _found(await self._networks.users_of(parse_user_id(query.userid)))

    async def _known(self, protocol: str) -> JsonObject:
        found = await self._networks.protocol(protocol)
        if found is None:
            raise NotFound("No such network is bridged here")
        return found


def _fields(requester: Requester, query: Mapping[str, str]) -> Mapping[str, str]:
    """Without what says who asks."""
    of_caller = {"access_token"} if requester.service is None else {"access_token", *IDENTITY_PARAMETERS}
    return {name: value for name, value in query.items() if name not in of_caller}


def _found(results: Sequence[JsonObject]) -> Sequence[JsonObject]:
    if not results:
        raise NotFound("No network has anything to do with it")
    return results
