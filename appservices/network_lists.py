"""The lists of rooms that services keep for their networks.

https://spec.matrix.org/v1.19/application-service-api/#application-service-room-directories
"""

from appservices.registration import network_name
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, InvalidParam
from homeserver.protocol.identifiers import RoomID, exceeds_bytes
from homeserver.rooms.directory import Directory
from homeserver.rooms.head import Heads


class NetworkLists:
    def __init__(self, directory: Directory, heads: Heads) -> None:
        self._directory = directory
        self._heads = heads

    async def set(self, requester: Requester, network_id: str, room_id: RoomID, *, is_listed: bool) -> None:
        """Raises Forbidden for others than services, NotFound for a room that is not here, InvalidParam."""
        if requester.service is None:
            raise Forbidden("Only application services keep lists for networks")
        if exceeds_bytes(network_id):
            raise InvalidParam("The name of the network is too long")
        room = (await self._heads.get(room_id)).nid
        network = network_name(requester.service.id, network_id)
        await (self._directory.publish if is_listed else self._directory.unpublish)(room, network)
