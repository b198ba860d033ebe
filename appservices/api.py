"""Client API: what application services ask for that users do not.

https://spec.matrix.org/v1.19/application-service-api/#client-server-api-extensions
"""

import msgspec

from appservices.pinging import Pings
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester

_PING = (
    "/_matrix/client/v1/appservice/{service_id}/ping",
    "/_matrix/client/unstable/fi.mau.msc2659/appservice/{service_id}/ping",
)


class PingBody(msgspec.Struct):
    transaction_id: str | None = None


class PingAnswer(msgspec.Struct):
    duration_ms: int


class ServiceEndpoints:
    def __init__(self, pings: Pings) -> None:
        self._pings = pings

    @endpoint("POST", *_PING, auth=Auth.USER, limit=Limit.NONE)
    async def ping(self, requester: Requester, service_id: str, body: PingBody) -> PingAnswer:
        """Tells a service whether this server reaches it."""
        return PingAnswer(await self._pings.ping(requester, service_id, body.transaction_id))
