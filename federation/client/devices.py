"""Asking other servers for the devices and keys of their users.

https://spec.matrix.org/v1.19/server-server-api/#device-management and #end-to-end-encryption
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import msgspec

from federation.transport import Call, Transport, path_of
from homeserver.protocol.errors import RemoteFailed
from homeserver.protocol.identifiers import DeviceID, ServerName, UserID, server_of
from homeserver.protocol.json import JsonObject, JsonValue

T = TypeVar("T")
_V1 = "/_matrix/federation/v1"


class RemoteDevice(msgspec.Struct):
    device_id: DeviceID
    keys: JsonObject
    device_display_name: str | None = None


class DeviceList(msgspec.Struct):
    """All devices of a user, with the number of the newest change among them."""

    user_id: UserID
    stream_id: int
    devices: list[RemoteDevice]
    master_key: JsonObject | None = None
    self_signing_key: JsonObject | None = None


class QueriedKeys(msgspec.Struct):
    """By user; device keys also by device."""

    device_keys: dict[UserID, dict[DeviceID, JsonObject]]
    master_keys: dict[UserID, JsonObject] = {}
    self_signing_keys: dict[UserID, JsonObject] = {}


class _ClaimedKeys(msgspec.Struct):
    one_time_keys: dict[UserID, dict[DeviceID, JsonObject]]


class DeviceCalls:
    """Every method raises what `Transport.send` does. What a server says of users who are not its own is left out."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def devices(self, user_id: UserID) -> DeviceList:
        """All devices of a user."""
        destination = server_of(user_id)
        call = Call(method="GET", path=path_of(_V1 + "/user/devices/{}", user_id))
        answer = await self._transport.ask(destination, call, DeviceList)
        if answer.user_id != user_id:
            raise RemoteFailed(f"{destination} was asked for one user's devices and gave another's")
        return answer

    async def query_keys(
        self, destination: ServerName, device_keys: Mapping[UserID, Sequence[DeviceID]]
    ) -> QueriedKeys:
        """Keys of devices, all where none are named, and cross-signing keys of their users."""
        content = {"device_keys": {user_id: list(devices) for user_id, devices in device_keys.items()}}
        call = Call(method="POST", path=_V1 + "/user/keys/query", content=content)
        answer = await self._transport.ask(destination, call, QueriedKeys)
        asked = device_keys.keys()
        return QueriedKeys(
            _only(answer.device_keys, asked),
            _only(answer.master_keys, asked),
            _only(answer.self_signing_keys, asked),
        )

    async def claim_keys(
        self, destination: ServerName, one_time_keys: Mapping[UserID, Mapping[DeviceID, str]]
    ) -> dict[UserID, dict[DeviceID, JsonObject]]:
        """One key of the named algorithm for each device that has one left, by user and device."""
        content = {"one_time_keys": {user_id: dict(asked) for user_id, asked in one_time_keys.items()}}
        call = Call(method="POST", path=_V1 + "/user/keys/claim", content=content)
        answer = await self._transport.ask(destination, call, _ClaimedKeys)
        return {
            user_id: _claimed(devices, one_time_keys[user_id])
            for user_id, devices in _only(answer.one_time_keys, one_time_keys.keys()).items()
        }


def _claimed(
    devices: Mapping[DeviceID, JsonObject], asked: Mapping[DeviceID, str]
) -> dict[DeviceID, JsonObject]:
    """The keys that were asked for, and are such."""
    return {
        device_id: {
            key_id: key
            for key_id, key in keys.items()
            if key_id.partition(":")[0] == asked[device_id] and _is_one_time_key(key)
        }
        for device_id, keys in devices.items()
        if device_id in asked
    }


def _is_one_time_key(key: JsonValue) -> bool:
    return isinstance(key, str) or (isinstance(key, dict) and isinstance(key.get("key"), str))


def _only(answers: Mapping[UserID, T], asked: Collection[UserID]) -> dict[UserID, T]:
    return {user_id: answer for user_id, answer in answers.items() if user_id in asked}
