"""Changes of the keys of users here, told to the servers that share a room with them.

https://spec.matrix.org/v1.19/server-server-api/#device-management
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from federation.outgoing.told_devices import (
    Told,
    ToldDevices,
    put_told_devices,
    servers_sharing_a_room,
    told_devices,
)
from federation.outgoing.waiting_edus import replace_edus
from homeserver.accounts.domains import LocalDomains
from homeserver.e2ee.device_lists import KeyOwner
from homeserver.e2ee.store.cross_signing import Kind, published_keys
from homeserver.e2ee.store.device_keys import published_devices
from homeserver.protocol.identifiers import ServerName, UserID
from homeserver.protocol.json import JsonObject, decode_json, encode_json
from homeserver.runtime.clock import Clock
from homeserver.storage.engine import Transaction

_DEVICE, _CROSS_SIGNING = "m.device_list_update", "m.signing_key_update"

Wake = Callable[[Sequence[ServerName]], None]


@dataclass(frozen=True, slots=True)
class _Keys:
    """As other servers are to see them: `devices` by ID, as in the EDU."""

    devices: Mapping[str, JsonObject]
    cross_signing: JsonObject

    def told(self) -> Told:
        digests = {device_id: _digest(device) for device_id, device in self.devices.items()}
        return Told(digests, _digest(self.cross_signing) if self.cross_signing else "")


class OutgoingDeviceLists:
    """A `ListChangeListener`. Nobody says what changed: it is what differs from what others were told.

    Of changes of the same device only the newest waits for a server; one that waited in vain is missed by what
    follows it, and the server asks for the whole list.
    """

    def __init__(self, domains: LocalDomains, wake: Wake, clock: Clock, *, shows_names: bool) -> None:
        self._domains = domains
        self._wake = wake
        self._clock = clock
        self._shows_names = shows_names
        # By position, from the writer's thread to the reactor's.
        self._reached: dict[int, list[ServerName]] = {}

    def changed(self, txn: Transaction, owner: KeyOwner, position: int) -> None:
        """See `ListChangeListener`."""
        servers = servers_sharing_a_room(txn, owner.user_nid) if self._domains.is_local(owner.user_id) else []
        if not servers:
            return
        before, keys = told_devices(txn, owner.user_nid), self._keys(txn, owner.user_id)
        edus = _news(owner.user_id, before, keys, position)
        for key, edu in edus.items():
            replace_edus(txn, key, dict.fromkeys(servers, edu), position, self._clock.now_ms())
        if edus:
            stream_id = max(
                [before.stream_id, *(edu["content"].get("stream_id", 0) for edu in edus.values())]
            )
            put_told_devices(txn, owner.user_nid, ToldDevices(stream_id, keys.told()))
            self._reached[position] = servers

    def stored(self, position: int) -> None:
        """See `ListChangeListener`."""
        self._wake(self._reached.pop(position, ()))

    def _keys(self, txn: Transaction, user_id: UserID) -> _Keys:
        devices: dict[str, JsonObject] = {}
        for device in published_devices(txn, [user_id]):
            devices[device.device_id] = {"keys": decode_json(device.keys)}
            if self._shows_names and device.display_name is not None:
                devices[device.device_id]["device_display_name"] = device.display_name
        return _Keys(
            devices,
            {
                f"{key.kind.usage}_key": decode_json(key.key)
                for key in published_keys(txn, [user_id])
                if key.kind in (Kind.MASTER, Kind.SELF_SIGNING)
            },
        )


def _news(user_id: UserID, before: ToldDevices, keys: _Keys, position: int) -> dict[str, JsonObject]:
    """EDUs for what differs from what others were told, each with its key."""
    edus: dict[str, JsonObject] = {}
    now, stream_id = keys.told(), before.stream_id
    for device_id in _differing(before.told.devices, now.devices):
        # Greater than any before, also after a time in which there was nothing to be told of.
        previous, stream_id = stream_id, max(stream_id + 1, position)
        content = {
            "user_id": user_id,
            "device_id": device_id,
            "stream_id": stream_id,
            "prev_id": [previous] if previous else [],
            **keys.devices.get(device_id, {"deleted": True}),
        }
        edus[f"{_DEVICE} {user_id} {device_id}"] = {"edu_type": _DEVICE, "content": content}
    if now.cross_signing != before.told.cross_signing:
        content = {"user_id": user_id, **keys.cross_signing}
        edus[f"{_CROSS_SIGNING} {user_id}"] = {"edu_type": _CROSS_SIGNING, "content": content}
    return edus


def _differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))


def _digest(value: JsonObject) -> str:
    return blake2b(encode_json(value), digest_size=8).hexdigest()
