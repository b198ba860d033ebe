"""Client API: where a user's devices were seen last.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3adminwhoisuserid
"""

import msgspec

from homeserver.accounts.devices import Devices
from homeserver.accounts.store.devices import Device
from homeserver.admin.account_moderation import AccountModeration
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden
from homeserver.protocol.identifiers import DeviceID, UserID


class Connection(msgspec.Struct, frozen=True, omit_defaults=True):
    ip: str | None = None
    last_seen: int | None = None
    user_agent: str | None = None


class Session(msgspec.Struct, frozen=True):
    connections: list[Connection]


class SeenDevice(msgspec.Struct, frozen=True):
    sessions: list[Session]


class Whois(msgspec.Struct, frozen=True):
    user_id: UserID
    devices: dict[DeviceID, SeenDevice]


class WhoisEndpoints:
    """For administrators, and for users about themselves."""

    def __init__(self, moderation: AccountModeration, devices: Devices) -> None:
        self._moderation = moderation
        self._devices = devices

    @endpoint(
        "GET",
        "/_matrix/client/(v3|r0)/admin/whois/{user_id}",
        "/_synapse/admin/v1/whois/{user_id}",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def whois(self, requester: Requester, user_id: UserID) -> Whois:
        """Tells when, from where and by which program each device of a user was used last."""
        if user_id != requester.user_id and not requester.is_admin:
            raise Forbidden("Only administrators may ask about other users")
        account = await self._moderation.account(user_id)
        devices = await self._devices.list(account.user_nid)
        return Whois(user_id, {device.device_id: _seen(device) for device in devices})


def _seen(device: Device) -> SeenDevice:
    if device.last_seen_at is None:
        return SeenDevice([])
    connection = Connection(device.last_seen_ip, device.last_seen_at, device.last_seen_agent)
    return SeenDevice([Session([connection])])
