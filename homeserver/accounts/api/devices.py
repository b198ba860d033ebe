"""Client API: a user's devices.

https://spec.matrix.org/v1.19/client-server-api/#device-management
"""

import msgspec

from homeserver.accounts.devices import Devices
from homeserver.accounts.reauthentication import Reauthentication
from homeserver.accounts.sessions import check_device_id
from homeserver.accounts.store.devices import Device
from homeserver.http.endpoint import Answer, Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import DeviceID
from homeserver.protocol.json import JsonObject


class DeviceAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    device_id: DeviceID
    display_name: str | None = None
    last_seen_ip: str | None = None
    last_seen_ts: int | None = None


class DeviceList(msgspec.Struct, frozen=True):
    devices: list[DeviceAnswer]


class DeviceUpdate(msgspec.Struct, frozen=True):
    display_name: str | None = None


class DeletionBody(msgspec.Struct, frozen=True):
    auth: JsonObject | None = None


class BulkDeletionBody(msgspec.Struct, frozen=True, kw_only=True):
    devices: list[DeviceID]
    auth: JsonObject | None = None


class DeviceEndpoints:
    """The requester's devices; deleting them takes the password."""

    def __init__(self, devices: Devices, reauthentication: Reauthentication) -> None:
        self._devices = devices
        self._reauthentication = reauthentication

    @endpoint("GET", "/_matrix/client/(v3|r0)/devices", auth=Auth.GUEST, limit=Limit.NONE)
    async def devices(self, requester: Requester) -> DeviceList:
        """Lists the user's devices."""
        return DeviceList([_answer(device) for device in await self._devices.list(requester.user_nid)])

    @endpoint("GET", "/_matrix/client/(v3|r0)/devices/{device_id}", auth=Auth.GUEST, limit=Limit.NONE)
    async def device(self, requester: Requester, device_id: DeviceID) -> DeviceAnswer:
        """Tells about one device."""
        return _answer(await self._devices.get(requester.user_nid, device_id))

    @endpoint("PUT", "/_matrix/client/(v3|r0)/devices/{device_id}", auth=Auth.GUEST, limit=Limit.NONE)
    async def update_device(
        self, requester: Requester, device_id: DeviceID, body: DeviceUpdate
    ) -> JsonObject | Answer:
        """Changes the display name of a device; application services make devices so."""
        if requester.service is not None:
            check_device_id(device_id)
            if await self._devices.create(requester.user_nid, device_id, body.display_name):
                return Answer(status=201)
        if body.display_name is None:
            await self._devices.get(requester.user_nid, device_id)
        else:
            await self._devices.rename(requester.user_nid, device_id, body.display_name)
        return {}

    @endpoint("DELETE", "/_matrix/client/(v3|r0)/devices/{device_id}", auth=Auth.USER, limit=Limit.NONE)
    async def delete_device(
        self, requester: Requester, device_id: DeviceID, body: DeletionBody
    ) -> JsonObject:
        """Deletes a device and ends its session."""
        await self._reauthentication.require_lately(
            requester, f"DELETE /devices/{device_id}", body, body.auth
        )
        await self._devices.delete(requester.user_nid, [device_id])
        return {}

    @endpoint("POST", "/_matrix/client/(v3|r0)/delete_devices", auth=Auth.USER, limit=Limit.NONE)
    async def delete_devices(self, requester: Requester, body: BulkDeletionBody) -> JsonObject:
        """Deletes several devices and ends their sessions."""
        await self._reauthentication.require_lately(requester, "POST /delete_devices", body, body.auth)
        await self._devices.delete(requester.user_nid, body.devices)
        return {}


def _answer(device: Device) -> DeviceAnswer:
    return DeviceAnswer(device.device_id, device.display_name, device.last_seen_ip, device.last_seen_at)
