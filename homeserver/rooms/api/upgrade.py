"""Client API: replacing a room by one of another version."""

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import RoomID, parse_user_id
from homeserver.rooms.upgrade import RoomUpgrade


class Upgrade(msgspec.Struct):
    new_version: str
    additional_creators: list[str] = []


class Upgraded(msgspec.Struct):
    replacement_room: RoomID


class UpgradeEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#room-upgrades"""

    def __init__(self, upgrade: RoomUpgrade) -> None:
        self._upgrade = upgrade

    @endpoint(
        "POST",
        "/_matrix/client/(v3|r0)/rooms/{room_id}/upgrade",
        auth=Auth.USER,
        limit=Limit.ROOM_CREATION,
        suspended=False,
    )
    async def upgrade(self, requester: Requester, room_id: RoomID, body: Upgrade) -> Upgraded:
        """Makes a room of another version and leads people from the old one to it."""
        creators = [parse_user_id(user_id) for user_id in dict.fromkeys(body.additional_creators)]
        return Upgraded(await self._upgrade.upgrade(requester, room_id, body.new_version, creators))
