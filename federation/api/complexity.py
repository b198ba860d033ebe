"""Server API: how much a room asks of those who join it; Synapse's, not of the specification."""

import msgspec

from federation.resident.complexity import RoomComplexity
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.identifiers import RoomID, ServerName


class Complexity(msgspec.Struct):
    """Each way to measure it has a name of its own; there is one."""

    v1: float


class ComplexityEndpoints:
    def __init__(self, complexity: RoomComplexity) -> None:
        self._complexity = complexity

    @endpoint(
        "GET",
        "/_matrix/federation/unstable/rooms/{room_id}/complexity",
        auth=Auth.SERVER,
        limit=Limit.FEDERATION,
    )
    async def complexity(self, origin: ServerName, room_id: RoomID) -> Complexity:
        """Asked by servers that join no rooms which are too much for them."""
        return Complexity(await self._complexity.measure(room_id))
