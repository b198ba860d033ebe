"""Looking up the keys of users and their devices.

https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysquery
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from twisted.internet.defer import Deferred

from homeserver.accounts.domains import LocalDomains
from homeserver.e2ee.remote import KeyWish, OtherServers
from homeserver.e2ee.signed_keys import signatures_of
from homeserver.e2ee.store.cross_signing import (
    Kind,
    PublishedKey,
    UserSignature,
    published_keys,
    user_signatures,
)
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


class _Viewer(NamedTuple):
    user_id: UserID
    user_nid: int


class KeyLookup:
    """Shows everybody's keys, and of signatures those that the viewer may see."""

    def __init__(self, db: Database, domains: LocalDomains, others: OtherServers) -> None:
        self._db = db
        self._domains = domains
        self._others = others

    async def query(self, requester: Requester, wish: KeyWish, timeout: float) -> FoundKeys:
        """`timeout`, in seconds, is for other servers. Users without keys are there, but have no devices."""
        viewer = _Viewer(requester.user_id, requester.user_nid)
        local: dict[UserID, Sequence[str]] = {}
        remote: dict[ServerName, dict[UserID, Sequence[str]]] = defaultdict(dict)
        for user_id, device_ids in wish.items():
            if self._domains.is_local(user_id):
                local[user_id] = device_ids
            else:
                remote[server_of(user_id)][user_id] = device_ids
        asking = Deferred.fromCoroutine(self._others.query_keys(remote, timeout)) if remote else None
        found, signed = await self._db.read(_read, local, list(wish), viewer)
        if asking is not None:
            answers = await asking
            found.device_keys |= answers.device_keys
            found.master_keys |= answers.master_keys
            found.self_signing_keys |= answers.self_signing_keys
            found.failures |= answers.failures
        for user_id, signature in signed.items():
            _show_signature(found.master_keys, user_id, viewer.user_id, signature)
        return found


def _read(
    txn: Transaction, wish: KeyWish, targets: Sequence[UserID], viewer: _Viewer
) -> tuple[FoundKeys, dict[UserID, UserSignature]]:
    users = list(wish)
    found = FoundKeys(device_keys={user_id: {} for user_id in users})
    for device in published_devices(txn, users):
        if not wish[device.user_id] or device.device_id in wish[device.user_id]:
            found.device_keys[device.user_id][device.device_id] = _shown(device)
    for key in published_keys(txn, users):
        _add_cross_signing_key(found, key, viewer.user_id)
    return found, user_signatures(txn, viewer.user_nid, targets)


def _shown(device: PublishedDevice) -> msgspec.Raw:
    if device.display_name is None:
        return msgspec.Raw(device.keys)
    # Spliced in: most devices have a name, and few are looked at closely enough to decode their keys.
    unsigned = encode_json({"device_display_name": device.display_name})
    return msgspec.Raw(device.keys[:-1] + b',"unsigned":' + unsigned + b"}")


def _add_cross_signing_key(found: FoundKeys, key: PublishedKey, viewer: UserID) -> None:
    shown = msgspec.Raw(key.key)
    if key.kind is Kind.MASTER:
        found.master_keys[key.user_id] = shown
    elif key.kind is Kind.SELF_SIGNING:
        found.self_signing_keys[key.user_id] = shown
    elif key.user_id == viewer:
        found.user_signing_keys[key.user_id] = shown


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
