"""A device publishes its keys.

https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysupload
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress

import msgspec

from homeserver.e2ee.device_lists import DeviceLists, KeyOwner
from homeserver.e2ee.key_stock import KeyStock
from homeserver.e2ee.new_keys import Addition
from homeserver.e2ee.signed_keys import is_canonical, merged
from homeserver.e2ee.store.device_keys import DeviceKeysRow, device_keys, put_device_keys
from homeserver.e2ee.store.one_time_keys import UploadedKeys
from homeserver.http.requester import Requester
from homeserver.protocol.errors import BadJson, InvalidParam
from homeserver.protocol.identifiers import MAX_IDENTIFIER_BYTES, DeviceID, UserID, exceeds_bytes
from homeserver.protocol.json import JsonObject, canonical_json, decode_json
from homeserver.storage.engine import Transaction

NamedKeys = Mapping[str, msgspec.Raw]
"""Keys by `algorithm:key_id`."""


class _DeviceKeys(msgspec.Struct):
    user_id: str
    device_id: str
    algorithms: list[str]
    keys: dict[str, str]
    signatures: dict[str, dict[str, str]]


class _SignedKey(msgspec.Struct):
    key: str
    signatures: dict[str, dict[str, str]]


_one_time_keys: msgspec.json.Decoder[list[str | _SignedKey]] = msgspec.json.Decoder(list[str | _SignedKey])


@dataclass(frozen=True, slots=True)
class Upload:
    """What a device publishes at once."""

    device_keys: JsonObject | None
    one_time_keys: Sequence[UploadedKeys]
    fallback_keys: Sequence[UploadedKeys]

    @classmethod
    def of(cls, device_keys: JsonObject | None, one_time: NamedKeys, fallback: NamedKeys) -> "Upload":
        """Raises BadJson, InvalidParam."""
        return cls(device_keys, parse_keys(one_time), parse_keys(fallback))

    def check(self, user_id: UserID, device_id: DeviceID) -> None:
        """Raises BadJson, InvalidParam where the device's keys are not those of this device."""
        if self.device_keys is not None:
            _check_device_keys(self.device_keys, user_id, device_id)

    def publish(self, txn: Transaction, owner: KeyOwner, device_nid: int, device_id: DeviceID) -> bool:
        """Stores the identity keys and says whether they are new."""
        if self.device_keys is None:
            return False
        stored = device_keys(txn, device_nid)
        known = None if stored is None else decode_json(stored)
        keys = canonical_json(merged(known, self.device_keys, owner.user_id))
        if keys == stored:
            return False
        put_device_keys(txn, DeviceKeysRow(device_nid, owner.user_nid, device_id, keys))
        return True

    def addition(self, device_nid: int) -> Addition:
        """The other keys, as an addition to the device's stock."""
        return Addition(device_nid, self.one_time_keys, self.fallback_keys)


class KeyUpload:
    """Takes the keys of the requester's own device."""

    def __init__(self, lists: DeviceLists, stock: KeyStock) -> None:
        self._lists = lists
        self._stock = stock

    async def upload(self, requester: Requester, upload: Upload) -> dict[str, int]:
        """How many one-time keys are left, by algorithm. Raises InvalidParam, BadJson, Unknown, TooLarge."""
        device_nid, device_id = requester.device_nid, requester.device_id
        if device_nid is None or device_id is None:
            raise InvalidParam("Keys belong to a device, but this access token belongs to none")
        upload.check(requester.user_id, device_id)
        if upload.device_keys is not None:
            owner = KeyOwner(requester.user_id, requester.user_nid)
            publish = partial(upload.publish, owner=owner, device_nid=device_nid, device_id=device_id)
            await self._lists.change(owner, publish)
        if upload.one_time_keys or upload.fallback_keys:
            return await self._stock.add(upload.addition(device_nid))
        return (await self._stock.of(device_nid)).counts


def _check_device_keys(given: JsonObject, user_id: UserID, device_id: DeviceID) -> None:
    try:
        keys = msgspec.convert(given, _DeviceKeys)
    except msgspec.ValidationError as error:
        raise BadJson(f"device_keys: {error}") from error
    if not is_canonical(given):
        raise BadJson("device_keys is not canonical JSON, so nobody can have signed it")
    if keys.user_id != user_id or keys.device_id != device_id:
        raise InvalidParam("device_keys is about another user or device")
    if any(name.partition(":")[2] != device_id for name in keys.keys):
        raise InvalidParam("The keys of a device are named algorithm:device_id")


def parse_keys(named: NamedKeys) -> list[UploadedKeys]:
    """One-time or fallback keys, by algorithm. Raises BadJson, InvalidParam."""
    if not named:
        return []
    _check_sizes(named)
    keys = list(map(bytes, named.values()))
    try:
        # All at once, which takes a third of the time.
        _one_time_keys.decode(b"[%b]" % b",".join(keys))
    except msgspec.ValidationError as error:
        raise BadJson(f"One-time or fallback keys, in their order: {error}") from error
    algorithms, _, key_ids = zip(*[name.partition(":") for name in named], strict=True)
    if not (all(algorithms) and all(key_ids)):
        raise InvalidParam("Keys are named algorithm:key_id")
    return [_of_algorithm(each, algorithms, key_ids, keys) for each in dict.fromkeys(algorithms)]


def _check_sizes(names: Collection[str]) -> None:
    text = "".join(names)
    if "\0" in text:
        raise InvalidParam("The name of a key may not contain the character U+0000")
    is_long = (
        max(map(len, names)) > MAX_IDENTIFIER_BYTES if text.isascii() else any(map(exceeds_bytes, names))
    )
    if is_long:
        raise InvalidParam(f"The name of a key may have {MAX_IDENTIFIER_BYTES} bytes")


def _of_algorithm(
    algorithm: str, algorithms: Iterable[str], key_ids: Iterable[str], keys: Iterable[bytes]
) -> UploadedKeys:
    are_of_it = [each == algorithm for each in algorithms]
    return UploadedKeys(algorithm, list(compress(key_ids, are_of_it)), list(compress(keys, are_of_it)))
