"""Looking up the keys of users and their devices.

https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysquery
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from twisted.internet.defer import Deferred

from homeserver.accounts.domains import LocalDomains
from homeserver.e2ee.key_cache import KeyCache, Signed, UserKeys
from homeserver.e2ee.remote import KeyWish, OtherServers
from homeserver.e2ee.signed_keys import signatures_of
from homeserver.e2ee.store.cross_signing import Kind, UserSignature, published_keys, user_signatures
from homeserver.e2ee.store.device_keys import PublishedDevice, published_devices
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import ServerName, UserID, server_of
from homeserver.protocol.json import JsonObject, decode_json, encode_json
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction


@dataclass(slots=True)
class FoundKeys:
    """As in the answer of /keys/query."""

    device_keys: JsonObject = field(default_factory=dict)
    failures: JsonObject = field(default_factory=dict)
    master_keys: JsonObject = field(default_factory=dict)
    self_signing_keys: JsonObject = field(default_factory=dict)
    user_signing_keys: JsonObject = field(default_factory=dict)


class KeyLookup:
    """Shows everybody's keys, and of signatures those that the viewer may see."""

    def __init__(self, db: Database, cache: KeyCache, domains: LocalDomains, others: OtherServers) -> None:
        self._db = db
        self._cache = cache
        self._domains = domains
        self._others = others

    async def query(self, requester: Requester, wish: KeyWish, timeout: float) -> FoundKeys:
        """`timeout`, in seconds, is for other servers. Users without keys are there, but have no devices."""
        found = FoundKeys()
        local: dict[UserID, Sequence[str]] = {}
        remote: dict[ServerName, dict[UserID, Sequence[str]]] = defaultdict(dict)
        for user_id, device_ids in self._add_known(found, wish, requester.user_id).items():
            if self._domains.is_local(user_id):
                local[user_id] = device_ids
            else:
                remote[server_of(user_id)][user_id] = device_ids
        elsewhere = self._others.query_keys(remote, requester.user_nid, timeout) if remote else None
        asking = None if elsewhere is None else Deferred.fromCoroutine(elsewhere)
        await self._add_read(found, local, requester.user_id)
        if asking is not None:
            answers = await asking
            found.device_keys |= answers.device_keys
            found.master_keys |= answers.master_keys
            found.self_signing_keys |= answers.self_signing_keys
            found.failures |= answers.failures
        signed = await self._signed_by(requester.user_nid)
        for user_id in signed.keys() & wish.keys():
            _show_signature(found.master_keys, user_id, requester.user_id, signed[user_id])
        return found

    async def local(self, wish: KeyWish, viewer: UserID | None) -> FoundKeys:
        """Keys of users of this server, without what the viewer signed of them."""
        found = FoundKeys()
        await self._add_read(found, self._add_known(found, wish, viewer), viewer)
        return found

    def _add_known(self, found: FoundKeys, wish: KeyWish, viewer: UserID | None) -> KeyWish:
        """Adds what is in memory, and gives back the rest of the wish. Only local users are in memory."""
        rest: dict[UserID, Sequence[str]] = {}
        for user_id, device_ids in wish.items():
            keys = self._cache.keys_of(user_id)
            if keys is None:
                rest[user_id] = device_ids
            else:
                _add(found, user_id, device_ids, keys, viewer)
        return rest

    async def _add_read(self, found: FoundKeys, wish: KeyWish, viewer: UserID | None) -> None:
        if not wish:
            return
        generation = self._cache.generation
        read = await self._db.read(_read_keys, list(wish))
        self._cache.put_keys(read, generation)
        for user_id, device_ids in wish.items():
            _add(found, user_id, device_ids, read[user_id], viewer)

    async def _signed_by(self, user_nid: int) -> Signed:
        signed = self._cache.signed_by(user_nid)
        if signed is None:
            generation = self._cache.generation
            signed = await self._db.read(user_signatures, user_nid)
            self._cache.put_signed(user_nid, signed, generation)
        return signed


def _read_keys(txn: Transaction, users: Sequence[UserID]) -> dict[UserID, UserKeys]:
    """Those without keys too, so that they are not looked for again."""
    found = {user_id: UserKeys() for user_id in users}
    for device in published_devices(txn, users):
        found[device.user_id].devices[device.device_id] = _shown(device)
    for key in published_keys(txn, users):
        found[key.user_id].cross_signing[key.kind] = msgspec.Raw(key.key)
    for keys in found.values():
        keys.whole = msgspec.Raw(encode_json(keys.devices))
    return found


def _shown(device: PublishedDevice) -> msgspec.Raw:
    if device.display_name is None:
        return msgspec.Raw(device.keys)
    # Spliced in: most devices have a name, and few are looked at closely enough to decode their keys.
    unsigned = encode_json({"device_display_name": device.display_name})
    return msgspec.Raw(device.keys[:-1] + b',"unsigned":' + unsigned + b"}")


def _add(
    found: FoundKeys, user_id: UserID, device_ids: Sequence[str], keys: UserKeys, viewer: UserID | None
) -> None:
    found.device_keys[user_id] = (
        {device_id: keys.devices[device_id] for device_id in device_ids if device_id in keys.devices}
        if device_ids
        else keys.whole
    )
    for kind, key in keys.cross_signing.items():
        if kind is Kind.MASTER:
            found.master_keys[user_id] = key
        elif kind is Kind.SELF_SIGNING:
            found.self_signing_keys[user_id] = key
        elif user_id == viewer:
            found.user_signing_keys[user_id] = key


def _show_signature(
    master_keys: JsonObject, target: UserID, viewer: UserID, signature: UserSignature
) -> None:
    """Adds what the viewer signed of a key, unless that is another key by now."""
    key = _decoded(master_keys.get(target))
    if key is None or signature.master_key not in key["keys"].values():
        return
    own = {**signatures_of(key, viewer), signature.key_id: signature.signature}
    master_keys[target] = {**key, "signatures": {**key.get("signatures", {}), viewer: own}}


def _decoded(key: msgspec.Raw | Mapping[str, object] | None) -> JsonObject | None:
    if key is None:
        return None
    decoded: JsonObject = decode_json(bytes(key)) if isinstance(key, msgspec.Raw) else dict(key)
    return decoded
