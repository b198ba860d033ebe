"""Tables e2ee_one_time_batch, e2ee_one_time_stock and e2ee_fallback_key.

One-time keys are written and claimed in the journal's order only: nothing comes between reading and writing.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import NamedTuple, TypeVar

from homeserver.storage.engine import Params, Transaction

S = TypeVar("S", str, bytes)

# A page of SQLite holds such a row whole. The larger rows are, the less uploads cost, and the more claims.
_ROW_BYTES = 7_700


class UploadedKeys(NamedTuple):
    """Keys of one algorithm with their IDs. Each is JSON: a string, or an object with the key and its signatures."""

    algorithm: str
    key_ids: list[str]
    keys: list[bytes]


class Line(NamedTuple):
    """The places of a device's keys of one algorithm that are left: from the one to the other, inclusive."""

    next_place: int = 1
    last_place: int = 0

    @property
    def left(self) -> int:
        return self.last_place - self.next_place + 1


@dataclass(slots=True)
class DeviceStock:
    """One-time keys of a device by algorithm: where they stand, and the IDs of all that it has or had lately."""

    lines: dict[str, Line] = field(default_factory=dict)
    key_ids: defaultdict[str, set[str]] = field(default_factory=partial(defaultdict, set))


class StoredKey(NamedTuple):
    key: bytes
    is_claimed: bool


class NewKeys(NamedTuple):
    """Keys of a device that get places from `first_place` on."""

    device_nid: int
    first_place: int
    uploaded: UploadedKeys


class ClaimedKey(NamedTuple):
    device_nid: int
    key_id: str
    key: bytes


def device_stocks(txn: Transaction, device_nids: Sequence[int]) -> dict[int, DeviceStock]:
    """Of each of these devices."""
    # No join, as PostgreSQL would read whole tables for it while they are small. The keys themselves are not read.
    rows = txn.rows(
        """
        SELECT device_nid, algorithm, next_place, last_place, NULL, NULL FROM e2ee_one_time_stock
        WHERE device_nid IN %(device_nids)s
        UNION ALL
        SELECT device_nid, algorithm, NULL, NULL, key_id_size, key_ids FROM e2ee_one_time_batch
        WHERE device_nid IN %(device_nids)s
        """,
        device_nids=list(device_nids),
    )
    stocks = {nid: DeviceStock() for nid in device_nids}
    for nid, algorithm, next_place, last_place, size, key_ids in rows:
        if key_ids is None:
            stocks[nid].lines[algorithm] = Line(next_place, last_place)
        else:
            stocks[nid].key_ids[algorithm].update(_cut(key_ids, size))
    return stocks


def stored_keys(
    txn: Transaction, device_nid: int, algorithm: str, key_ids: Collection[str]
) -> dict[str, StoredKey]:
    """What a device has or had under these IDs; the newest, where there were several."""
    rows = txn.rows(
        """
        SELECT b.first_place, s.next_place, b.key_id_size, b.key_ids, b.key_size, b.keys
        FROM e2ee_one_time_stock s
        JOIN e2ee_one_time_batch b ON b.device_nid = s.device_nid AND b.algorithm = s.algorithm
        WHERE s.device_nid = %(device_nid)s AND s.algorithm = %(algorithm)s ORDER BY b.last_place
        """,
        device_nid=device_nid, algorithm=algorithm,
    )  # fmt: skip
    found = {}
    for first_place, next_place, id_size, ids, key_size, keys in rows:
        named = zip(_cut(ids, id_size), _cut(bytes(keys), key_size), strict=True)
        for place, (key_id, key) in enumerate(named, first_place):
            if key_id in key_ids:
                found[key_id] = StoredKey(key, place < next_place)
    return found


def _cut(pieces: S, size: int) -> list[S]:
    return [pieces[start : start + size] for start in range(0, len(pieces), size)]


def append_one_time_keys(txn: Transaction, news: Sequence[NewKeys]) -> None:
    """Each come after those that the device has."""
    txn.execute_many(
        """
        INSERT INTO e2ee_one_time_batch
            (device_nid, algorithm, last_place, first_place, key_id_size, key_size, key_ids, keys)
        VALUES (%(device_nid)s, %(algorithm)s, %(last_place)s, %(first_place)s, %(key_id_size)s, %(key_size)s,
            %(key_ids)s, %(keys)s)
        """,
        [row for new in news for row in _rows_of(new)],
    )
    txn.execute_many(
        """
        INSERT INTO e2ee_one_time_stock (device_nid, algorithm, last_place)
        VALUES (%(device_nid)s, %(algorithm)s, %(last_place)s)
        ON CONFLICT (device_nid, algorithm) DO UPDATE SET last_place = excluded.last_place
        """,
        [
            {
                "device_nid": new.device_nid,
                "algorithm": new.uploaded.algorithm,
                "last_place": new.first_place + len(new.uploaded.keys) - 1,
            }
            for new in news
        ],
    )


def _rows_of(new: NewKeys) -> Iterator[Params]:
    """As few as may be: clients make keys and IDs of one size."""
    algorithm, key_ids, keys = new.uploaded
    start = 0
    for (id_size, key_size), alike in groupby(zip(map(len, key_ids), map(len, keys), strict=True)):
        end = start + len(list(alike))
        most = max(1, _ROW_BYTES // (id_size + key_size))
        while start < end:
            stop = min(start + most, end)
            yield {
                "device_nid": new.device_nid,
                "algorithm": algorithm,
                "last_place": new.first_place + stop - 1,
                "first_place": new.first_place + start,
                "key_id_size": id_size,
                "key_size": key_size,
                "key_ids": "".join(key_ids[start:stop]),
                "keys": b"".join(keys[start:stop]),
            }
            start = stop


def claim_one_time_keys(txn: Transaction, device_nids: Sequence[int], algorithm: str) -> list[ClaimedKey]:
    """The first key that is left of each device that has one; nobody else is ever given it."""
    # SQLite joins in the written order where it reads CROSS: one probe for each device.
    rows = txn.rows(
        """
        SELECT b.device_nid,
            substr(b.key_ids, CAST((s.next_place - b.first_place) * b.key_id_size + 1 AS INTEGER), b.key_id_size),
            substr(b.keys, CAST((s.next_place - b.first_place) * b.key_size + 1 AS INTEGER), b.key_size)
        FROM e2ee_one_time_stock s CROSS JOIN e2ee_one_time_batch b
        WHERE s.device_nid IN %(device_nids)s AND s.algorithm = %(algorithm)s
            AND b.device_nid = s.device_nid AND b.algorithm = %(algorithm)s AND b.last_place = (
                SELECT min(last_place) FROM e2ee_one_time_batch
                WHERE device_nid = s.device_nid AND algorithm = %(algorithm)s AND last_place >= s.next_place
            )
        """,
        device_nids=list(device_nids), algorithm=algorithm,
    )  # fmt: skip
    claimed = [ClaimedKey(device_nid, key_id, bytes(key)) for device_nid, key_id, key in rows]
    txn.execute(
        """
        UPDATE e2ee_one_time_stock SET next_place = next_place + 1
        WHERE device_nid IN %(device_nids)s AND algorithm = %(algorithm)s
        """,
        device_nids=[key.device_nid for key in claimed], algorithm=algorithm,
    )  # fmt: skip
    return claimed


def claim_fallback_keys(txn: Transaction, device_nids: Sequence[int], algorithm: str) -> list[ClaimedKey]:
    """The fallback key of each device that has one."""
    rows = txn.rows(
        """
        UPDATE e2ee_fallback_key SET used = 1
        WHERE device_nid IN %(device_nids)s AND algorithm = %(algorithm)s
        RETURNING device_nid, key_id, key
        """,
        device_nids=list(device_nids), algorithm=algorithm,
    )  # fmt: skip
    return [ClaimedKey(device_nid, key_id, bytes(key)) for device_nid, key_id, key in rows]


def put_fallback_keys(txn: Transaction, keys: Iterable[tuple[int, UploadedKeys]]) -> None:
    """Replaces those that the devices have of the same algorithms. The same key again does not count as unused."""
    txn.execute_many(
        """
        INSERT INTO e2ee_fallback_key (device_nid, algorithm, key_id, key, used)
        VALUES (%(device_nid)s, %(algorithm)s, %(key_id)s, %(key)s, 0)
        ON CONFLICT (device_nid, algorithm) DO UPDATE
        SET key_id = excluded.key_id, key = excluded.key, used = 0
        WHERE e2ee_fallback_key.key_id <> excluded.key_id OR e2ee_fallback_key.key <> excluded.key
        """,
        [
            {"device_nid": device_nid, "algorithm": uploaded.algorithm, "key_id": key_id, "key": key}
            for device_nid, uploaded in keys
            for key_id, key in zip(uploaded.key_ids, uploaded.keys, strict=True)
        ],
    )


def unclaimed_counts(txn: Transaction, device_nids: Collection[int]) -> dict[int, dict[str, int]]:
    """How many one-time keys are left of each of the devices, by algorithm."""
    rows = txn.rows(
        """
        SELECT device_nid, algorithm, last_place - next_place + 1 FROM e2ee_one_time_stock
        WHERE device_nid IN %(device_nids)s AND next_place <= last_place
        """,
        device_nids=list(device_nids),
    )
    counts: dict[int, dict[str, int]] = {nid: {} for nid in device_nids}
    for nid, algorithm, count in rows:
        counts[nid][algorithm] = int(count)
    return counts


def unused_fallback_algorithms(txn: Transaction, device_nids: Collection[int]) -> dict[int, list[str]]:
    """Of each of the devices."""
    rows = txn.rows(
        """
        SELECT device_nid, algorithm FROM e2ee_fallback_key WHERE device_nid IN %(device_nids)s AND used = 0
        ORDER BY algorithm
        """,
        device_nids=list(device_nids),
    )
    algorithms: dict[int, list[str]] = {nid: [] for nid in device_nids}
    for nid, algorithm in rows:
        algorithms[nid].append(algorithm)
    return algorithms


def delete_claimed_before(txn: Transaction, before: int) -> int:
    """One-time keys known to have been claimed before a time in milliseconds; how many rows they were."""
    return txn.execute(
        """
        DELETE FROM e2ee_one_time_batch WHERE (device_nid, algorithm, last_place) IN (
            SELECT b.device_nid, b.algorithm, b.last_place
            FROM e2ee_one_time_stock s CROSS JOIN e2ee_one_time_batch b
            WHERE s.spent_at < %(before)s AND s.spent_place > 1
                AND b.device_nid = s.device_nid AND b.algorithm = s.algorithm AND b.last_place < s.spent_place
        )
        """,
        before=before,
    )


def note_claimed(txn: Transaction, before: int, now: int) -> None:
    """Remembers what has been claimed by now, where the last such note is from before a time in milliseconds."""
    txn.execute(
        """
        UPDATE e2ee_one_time_stock SET spent_place = next_place, spent_at = %(now)s
        WHERE spent_at < %(before)s AND spent_place < next_place
        """,
        before=before, now=now,
    )  # fmt: skip
