"""Server API: devices and keys of users here.

https://spec.matrix.org/v1.19/server-server-api/#device-management and #end-to-end-encryption
"""

from collections.abc import Sequence

import msgspec

from federation.devices.served import ServedDevice, ServedKeys
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.json import JsonObject

_V1 = "/_matrix/federation/v1/user"


class Device(msgspec.Struct, omit_defaults=True):
    device_id: str
    keys: JsonObject
    device_display_name: str | None = None


class Devices(msgspec.Struct, omit_defaults=True):
    user_id: str
    stream_id: int
    devices: Sequence[Device]
    master_key: JsonObject | None = None
    self_signing_key: JsonObject | None = None


class KeyQueryBody(msgspec.Struct):
    device_keys: dict[str, list[str]]


class QueriedKeys(msgspec.Struct):
    device_keys: JsonObject
    master_keys: JsonObject
    self_signing_keys: JsonObject


class KeyClaimBody(msgspec.Struct):
    one_time_keys: dict[str, dict[str, str]]


class ClaimedKeys(msgspec.Struct):
    one_time_keys: JsonObject


class DeviceEndpoints:
    def __init__(self, served: ServedKeys) -> None:
        self._served = served

    @endpoint("GET", _V1 + "/devices/{user_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def list_devices(self, user_id: str) -> Devices:
        """All devices of a user that have keys, and the user's cross-signing keys."""
        found = await self._served.devices(user_id)
        devices = [_device(device) for device in found.devices]
        return Devices(user_id, found.stream_id, devices, found.master_key, found.self_signing_key)

    @endpoint("POST", _V1 + "/keys/query", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def query_user_keys(self, body: KeyQueryBody) -> QueriedKeys:
        """Looks up the keys of users and their devices."""
        return QueriedKeys(*await self._served.query(body.device_keys))

    @endpoint("POST", _V1 + "/keys/claim", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def claim_user_keys(self, body: KeyClaimBody) -> ClaimedKeys:
        """Claims a key of each of the named devices, which nobody else will get."""
        return ClaimedKeys(await self._served.claim(body.one_time_keys))


def _device(device: ServedDevice) -> Device:
    return Device(device.device_id, device.keys, device.display_name)
