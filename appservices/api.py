"""Client API: what application services ask for that users do not.

https://spec.matrix.org/v1.19/application-service-api/#client-server-api-extensions
"""

from typing import Literal

import msgspec

from appservices.network_lists import NetworkLists
from appservices.pinging import Pings
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import RoomID

_PING = (
    "/_matrix/client/v1/appservice/{service_id}/ping",
    "/_matrix/client/unstable/fi.mau.msc2659/appservice/{service_id}/ping",
)
_LISTED = "/_matrix/client/(v3|r0)/directory/list/appservice/{network_id}/{room_id}"


class PingBody(msgspec.Struct):
    transaction_id: str | None = None


class PingAnswer(msgspec.Struct):
    duration_ms: int


class Visibility(msgspec.Struct):
    visibility: Literal["public", "private"] = "public"


class Empty(msgspec.Struct):
    pass


class ServiceEndpoints:
    def __init__(self, pings: Pings, lists: NetworkLists) -> None:
        self._pings = pings
        self._lists = lists

    @endpoint("POST", *_PING, auth=Auth.USER, limit=Limit.NONE)
    async def ping(self, requester: Requester, service_id: str, body: PingBody) -> PingAnswer:
        """Tells a service whether this server reaches it."""
        return PingAnswer(await self._pings.ping(requester, service_id, body.transaction_id))

    @endpoint("PUT", _LISTED, auth=Auth.USER, limit=Limit.NONE)
    async def set_listed(
        self, requester: Requester, network_id: str, room_id: RoomID, body: Visibility
    ) -> Empty:
        """Puts a room onto the list of a service's network, or takes it off."""
        await self._lists.set(requester, network_id, room_id, is_listed=body.visibility == "public")
        return Empty()

    @endpoint("DELETE", _LISTED, auth=Auth.USER, limit=Limit.NONE)
    async def remove_listed(self, requester: Requester, network_id: str, room_id: RoomID) -> Empty:
        """Takes a room off the list of a service's network."""
        # COMPAT(synapse): the specification has no such method.
        await self._lists.set(requester, network_id, room_id, is_listed=False)
        return Empty()
