"""Client API: dehydrated devices (MSC3814, by its unstable names)."""

from typing import Annotated

import msgspec

from homeserver.accounts.sessions import MAX_DEVICE_ID
from homeserver.e2ee.dehydration import DehydratedDevices, NewDehydratedDevice
from homeserver.e2ee.device_lists import KeyOwner
from homeserver.e2ee.key_upload import Upload
from homeserver.e2ee.to_device import LARGEST_BATCH
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import BadJson, InvalidParam
from homeserver.protocol.identifiers import DeviceID
from homeserver.protocol.json import JsonObject, encode_json

_DEVICE = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"


class DehydratedDeviceBody(msgspec.Struct, frozen=True):
    device_id: DeviceID
    device_data: JsonObject
    device_keys: JsonObject
    initial_device_display_name: str | None = None
    one_time_keys: dict[str, msgspec.Raw] | None = None
    fallback_keys: dict[str, msgspec.Raw] | None = None


class DehydratedDeviceName(msgspec.Struct, frozen=True):
    device_id: DeviceID


class DehydratedDeviceAnswer(msgspec.Struct, frozen=True):
    device_id: DeviceID
    device_data: msgspec.Raw


class EventsQuery(msgspec.Struct, frozen=True):
    start: str | None = msgspec.field(name="from", default=None)
    limit: Annotated[int, msgspec.Meta(ge=1)] = LARGEST_BATCH


class EventsBody(msgspec.Struct, frozen=True):
    next_batch: str | None = None


class EventBatch(msgspec.Struct, frozen=True, omit_defaults=True):
    events: list[JsonObject]
    next_batch: str | None = None


class DehydrationEndpoints:
    """The requester's dehydrated device."""

    def __init__(self, devices: DehydratedDevices) -> None:
        self._devices = devices

    @endpoint("PUT", _DEVICE, auth=Auth.USER, limit=Limit.NONE)
    async def put_dehydrated_device(
        self, requester: Requester, body: DehydratedDeviceBody
    ) -> DehydratedDeviceName:
        """Makes a dehydrated device, in the place of the one that there was."""
        if not isinstance(body.device_data.get("algorithm"), str):
            raise BadJson("device_data must name its algorithm")
        if not 0 < len(body.device_id) <= MAX_DEVICE_ID or "\0" in body.device_id:
            raise InvalidParam(f"A device ID has 1 to {MAX_DEVICE_ID} characters, none of them NUL")
        new = NewDehydratedDevice(
            body.device_id,
            body.initial_device_display_name,
            encode_json(body.device_data),
            Upload.of(body.device_keys, body.one_time_keys or {}, body.fallback_keys or {}),
        )
        await self._devices.put(_owner(requester), new)
        return DehydratedDeviceName(body.device_id)

    @endpoint("GET", _DEVICE, auth=Auth.USER, limit=Limit.NONE)
    async def dehydrated_device(self, requester: Requester) -> DehydratedDeviceAnswer:
        """Retrieves the dehydrated device."""
        device = await self._devices.get(requester.user_nid)
        return DehydratedDeviceAnswer(device.device_id, msgspec.Raw(device.data))

    @endpoint("DELETE", _DEVICE, auth=Auth.USER, limit=Limit.NONE)
    async def delete_dehydrated_device(self, requester: Requester) -> DehydratedDeviceName:
        """Deletes the dehydrated device."""
        return DehydratedDeviceName(await self._devices.delete(_owner(requester)))

    @endpoint("GET", _DEVICE + "/{device_id}/events", auth=Auth.USER, limit=Limit.NONE)
    async def events(self, requester: Requester, device_id: str, query: EventsQuery) -> EventBatch:
        """The messages that the dehydrated device received, in batches."""
        limit = min(query.limit, LARGEST_BATCH)
        batch = await self._devices.messages(requester.user_nid, device_id, query.start, limit)
        return EventBatch(batch.events, f"d{batch.upto}" if batch.has_more else None)

    @endpoint("POST", _DEVICE + "/{device_id}/events", auth=Auth.USER, limit=Limit.NONE)
    async def events_by_post(self, requester: Requester, device_id: str, body: EventsBody) -> EventBatch:
        """The same as clients of an earlier draft ask for it: until a batch is empty."""
        batch = await self._devices.messages(requester.user_nid, device_id, body.next_batch)
        return EventBatch(batch.events, f"d{batch.upto}")


def _owner(requester: Requester) -> KeyOwner:
    return KeyOwner(requester.user_id, requester.user_nid)
