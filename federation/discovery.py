"""From a server's name to where it is, who must prove to be there, and what it is called in requests.

https://spec.matrix.org/v1.19/server-server-api/#resolving-server-names
"""

from dataclasses import dataclass

from federation.server_names import DEFAULT_PORT, HostAndPort
from federation.service_records import ServiceRecords
from federation.well_known import WellKnown
from homeserver.http.outbound_peers import Peer
from homeserver.protocol.identifiers import ServerName

# The second is older, and deprecated.
_SERVICES = ("_matrix-fed._tcp", "_matrix._tcp")


@dataclass(frozen=True, slots=True)
class Route:
    """How a server is reached. `host` is what the header `Host` says, and the host of URLs."""

    peer: Peer
    host: str


class Discovery:
    """Finds servers, by the steps of the specification in their order."""

    def __init__(self, well_known: WellKnown, service_records: ServiceRecords) -> None:
        self._well_known = well_known
        self._service_records = service_records

    async def route(self, server_name: ServerName) -> Route:
        """Raises InvalidParam where it is no server name, RemoteFailed where it cannot be resolved."""
        named = HostAndPort.of(server_name)
        if not named.is_address and named.port is None:
            delegate = await self._well_known.delegate(named.host)
            if delegate is not None:
                return await self._without_delegation(delegate)
        return await self._without_delegation(server_name)

    async def _without_delegation(self, name: str) -> Route:
        named = HostAndPort.of(name)
        if not named.is_address and named.port is None:
            for service in _SERVICES:
                places = await self._service_records.places(f"{service}.{named.host}")
                if places:
                    # Whoever is there proves to be the host that named them, as names are looked up insecurely.
                    return Route(Peer(places, named.host), name)
        return Route(Peer(((named.host, named.port or DEFAULT_PORT),), named.host), name)
