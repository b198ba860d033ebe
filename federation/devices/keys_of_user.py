"""The keys of one user elsewhere: read from what their server says, shown as in /keys/query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from federation.client.devices import RemoteDevice
from homeserver.e2ee.signed_keys import is_canonical
from homeserver.protocol.identifiers import DeviceID, UserID
from homeserver.protocol.json import JsonObject

MASTER, SELF_SIGNING = "master_key", "self_signing_key"


@dataclass(slots=True)
class KeysOfUser:
    """`devices` are as clients are shown them, by ID; `cross_signing` by MASTER and SELF_SIGNING."""

    devices: dict[str, JsonObject] = field(default_factory=dict)
    cross_signing: dict[str, JsonObject] = field(default_factory=dict)

    def put_device(self, user_id: UserID, device: RemoteDevice) -> None:
        """Of a device that has no keys, or those of another one, nothing is left."""
        self.devices.pop(device.device_id, None)
        if _is_of_device(device.keys, user_id, device.device_id):
            shown = {name: value for name, value in device.keys.items() if name != "unsigned"}
            if device.device_display_name is not None:
                shown["unsigned"] = {"device_display_name": device.device_display_name}
            self.devices[device.device_id] = shown

    def put_cross_signing(self, user_id: UserID, keys: Mapping[str, JsonObject | None]) -> None:
        """By MASTER and SELF_SIGNING; None changes nothing."""
        for name, key in keys.items():
            if key is not None and _is_cross_signing_key(key, user_id):
                self.cross_signing[name] = key

    def some(self, device_ids: Sequence[str]) -> JsonObject:
        """These devices, all where none are named."""
        if not device_ids:
            return dict(self.devices)
        return {device_id: self.devices[device_id] for device_id in device_ids if device_id in self.devices}


def keys_of_user(
    user_id: UserID, devices: Sequence[RemoteDevice], cross_signing: Mapping[str, JsonObject | None]
) -> KeysOfUser:
    """What is malformed, or about somebody else, is left out."""
    keys = KeysOfUser()
    for device in devices:
        keys.put_device(user_id, device)
    keys.put_cross_signing(user_id, cross_signing)
    return keys


def queried_devices(devices: Mapping[DeviceID, JsonObject]) -> list[RemoteDevice]:
    """As they are in the answer of /user/keys/query."""
    return [RemoteDevice(device_id, keys, _name(keys)) for device_id, keys in devices.items()]


def _name(keys: JsonObject) -> str | None:
    unsigned = keys.get("unsigned")
    name = unsigned.get("device_display_name") if isinstance(unsigned, dict) else None
    return name if isinstance(name, str) else None


def _is_of_device(keys: JsonObject, user_id: UserID, device_id: str) -> bool:
    return keys.get("user_id") == user_id and keys.get("device_id") == device_id and is_canonical(keys)


def _is_cross_signing_key(key: JsonObject, user_id: UserID) -> bool:
    public = key.get("keys")
    has_one = (
        isinstance(public, dict) and len(public) == 1 and all(isinstance(one, str) for one in public.values())
    )
    return has_one and key.get("user_id") == user_id and is_canonical(key)
