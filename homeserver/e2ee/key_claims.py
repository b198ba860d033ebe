"""Claiming keys of devices, to send them a first message.

https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysclaim
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import partial
from typing import NamedTuple

import msgspec
from twisted.internet.defer import Deferred

from homeserver.accounts.domains import LocalDomains
from homeserver.e2ee.key_stock import KeyStock
from homeserver.e2ee.remote import ClaimWish, OtherServers
from homeserver.e2ee.store.device_keys import LocalDevice, local_devices
from homeserver.e2ee.store.one_time_keys import (
    ClaimedKey,
    claim_fallback_keys,
    claim_one_time_keys,
    delete_claimed_before,
    note_claimed,
)
from homeserver.protocol.identifiers import ServerName, UserID, server_of
from homeserver.protocol.json import JsonObject
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_CLAIMED_KEPT_MS = 7 * 24 * 3600 * 1000


class Claims(NamedTuple):
    """As in the answer of /keys/claim."""

    one_time_keys: JsonObject
    failures: JsonObject


class KeyClaims:
    """Hands out each one-time key once, and the fallback key where none is left."""

    def __init__(
        self, db: Database, stock: KeyStock, domains: LocalDomains, others: OtherServers, clock: Clock
    ) -> None:
        self._db = db
        self._stock = stock
        self._domains = domains
        self._others = others
        self._clock = clock

    async def claim(self, wish: ClaimWish, timeout: float) -> Claims:
        """`timeout`, in seconds, is for other servers. Devices that do not exist are left out."""
        local: dict[UserID, Mapping[str, str]] = {}
        remote: dict[ServerName, dict[UserID, Mapping[str, str]]] = defaultdict(dict)
        for user_id, algorithms in wish.items():
            if self._domains.is_local(user_id):
                local[user_id] = algorithms
            else:
                remote[server_of(user_id)][user_id] = algorithms
        asking = Deferred.fromCoroutine(self._others.claim_keys(remote, timeout)) if remote else None
        claimed = await self.claim_local(local)
        if asking is None:
            return Claims(claimed, {})
        answers = await asking
        return Claims({**claimed, **answers.one_time_keys}, answers.failures)

    async def claim_local(self, wish: ClaimWish) -> JsonObject:
        """Keys of users of this server."""
        devices = await self._db.read(local_devices, list(wish))
        by_algorithm: dict[str, dict[int, LocalDevice]] = defaultdict(dict)
        for device in devices:
            algorithm = wish[device.user_id].get(device.device_id)
            if algorithm is not None:
                by_algorithm[algorithm][device.nid] = device
        claimed: dict[str, list[ClaimedKey]] = {}
        if by_algorithm:
            await self._stock.change(partial(_claim, by_algorithm=by_algorithm, claimed=claimed))
        answer: JsonObject = {}
        for algorithm, keys in claimed.items():
            for key in keys:
                device = by_algorithm[algorithm][key.device_nid]
                named = {f"{algorithm}:{key.key_id}": msgspec.Raw(key.key)}
                answer.setdefault(device.user_id, {})[device.device_id] = named
        return answer

    async def forget_claimed(self) -> None:
        """For a daily task."""
        await self._db.write(_forget_claimed, self._clock.now_ms())


def _claim(
    txn: Transaction,
    by_algorithm: Mapping[str, Mapping[int, LocalDevice]],
    claimed: dict[str, list[ClaimedKey]],
) -> Collection[int]:
    touched: list[int] = []
    for algorithm, devices in by_algorithm.items():
        keys = claim_one_time_keys(txn, list(devices), algorithm)
        without = devices.keys() - {key.device_nid for key in keys}
        if without:
            keys += claim_fallback_keys(txn, sorted(without), algorithm)
        claimed[algorithm] = keys
        touched += [key.device_nid for key in keys]
    return touched


def _forget_claimed(txn: Transaction, now: int) -> None:
    before = now - _CLAIMED_KEPT_MS
    delete_claimed_before(txn, before)
    note_claimed(txn, before, now)
