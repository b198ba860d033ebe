"""Server API: what this server is.

https://spec.matrix.org/v1.19/server-server-api/#server-implementation
"""

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.runtime.version import program_version


class Implementation(msgspec.Struct):
    name: str
    version: str


class ServerVersion(msgspec.Struct):
    server: Implementation


class FederationVersionEndpoints:
    @endpoint("GET", "/_matrix/federation/v1/version", auth=Auth.NONE, limit=Limit.NONE)
    async def version(self) -> ServerVersion:
        """Name and version of this program."""
        return ServerVersion(Implementation("Folkmoot", program_version()))
