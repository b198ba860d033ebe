"""Tables e2ee_one_time_key and e2ee_fallback_key.

The place of a one-time key is negative once it was claimed, so that the next one is found by one probe.
"""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.storage.engine import Transaction


class UploadedKey(NamedTuple):
    """`key` is JSON: a string, or an object with the key and its signatures."""

    algorithm: str
    key_id: str
    key: bytes


class StoredKey(NamedTuple):
    algorithm: str
    place: int
    key: bytes

    @property
    def is_claimed(self) -> bool:
        return self.place < 0


class ClaimedKey(NamedTuple):
    device_nid: int
    key_id: str
    key: bytes


def same_named_keys(
    txn: Transaction, device_nid: int, keys: Sequence[UploadedKey]
) -> dict[tuple[str, str], StoredKey]:
    """One-time keys that the device has or had, called like these, by algorithm and key ID."""
    rows = txn.rows(
        """
        SELECT key_id, algorithm, place, key FROM e2ee_one_time_key
        WHERE device_nid = %(device_nid)s AND algorithm IN %(algorithms)s AND key_id IN %(key_ids)s
        """,
        device_nid=device_nid,
        algorithms=sorted({key.algorithm for key in keys}), key_ids=[key.key_id for key in keys],
    )  # fmt: skip
    return {
        (algorithm, key_id): StoredKey(algorithm, place, bytes(key)) for key_id, algorithm, place, key in rows
    }


def append_one_time_keys(txn: Transaction, device_nid: int, keys: Sequence[UploadedKey]) -> None:
    """They come after those that the device has."""
    last: dict[str, int] = {}
    rows = []
    for key in keys:
        if key.algorithm not in last:
            last[key.algorithm] = _last_place(txn, device_nid, key.algorithm)
        place = last[key.algorithm] = last[key.algorithm] + 1
        rows.append({"device_nid": device_nid, "place": place, **key._asdict()})
    txn.execute_many(
        """
        INSERT INTO e2ee_one_time_key (device_nid, algorithm, place, key_id, key)
        VALUES (%(device_nid)s, %(algorithm)s, %(place)s, %(key_id)s, %(key)s)
        """,
        rows,
    )


def _last_place(txn: Transaction, device_nid: int, algorithm: str) -> int:
    row = txn.row(
        """
        SELECT
            (SELECT max(place) FROM e2ee_one_time_key
             WHERE device_nid = %(device_nid)s AND algorithm = %(algorithm)s),
            (SELECT min(place) FROM e2ee_one_time_key
             WHERE device_nid = %(device_nid)s AND algorithm = %(algorithm)s)
        """,
        device_nid=device_nid, algorithm=algorithm,
    )  # fmt: skip
    # The newest one may have been claimed or not; there may be none.
    return max(abs(int(place or 0)) for place in row or (0,))


def delete_one_time_keys(txn: Transaction, device_nid: int, keys: Sequence[StoredKey]) -> None:
    txn.execute_many(
        """
        DELETE FROM e2ee_one_time_key
        WHERE device_nid = %(device_nid)s AND algorithm = %(algorithm)s AND place = %(place)s
        """,
        [{"device_nid": device_nid, "algorithm": key.algorithm, "place": key.place} for key in keys],
    )


def claim_one_time_keys(
    txn: Transaction, device_nids: Sequence[int], algorithm: str, now: int
) -> list[ClaimedKey]:
    """The first key that is left of each device that has one; nobody else is ever given it.

    To be called in the journal's order only: nothing comes between the reading and the writing.
    """
    # SQLite joins in the written order where it reads CROSS: one probe for each device.
    rows = txn.rows(
        """
        SELECT k.device_nid, k.place, k.key_id, k.key FROM account_device d CROSS JOIN e2ee_one_time_key k
        WHERE d.nid IN %(device_nids)s AND k.device_nid = d.nid AND k.algorithm = %(algorithm)s
            AND k.place = (
                SELECT x.place FROM e2ee_one_time_key x
                WHERE x.device_nid = d.nid AND x.algorithm = %(algorithm)s AND x.place > 0
                ORDER BY x.place LIMIT 1
            )
        """,
        device_nids=list(device_nids), algorithm=algorithm,
    )  # fmt: skip
    txn.execute_many(
        """
        UPDATE e2ee_one_time_key SET place = -place, claimed_at = %(now)s
        WHERE device_nid = %(device_nid)s AND algorithm = %(algorithm)s AND place = %(place)s
        """,
        [
            {"now": now, "device_nid": device_nid, "algorithm": algorithm, "place": place}
            for device_nid, place, _, _ in rows
        ],
    )
    return [ClaimedKey(device_nid, key_id, bytes(key)) for device_nid, _, key_id, key in rows]


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


def put_fallback_keys(txn: Transaction, device_nid: int, keys: Sequence[UploadedKey]) -> None:
    """Replaces those of the same algorithms. The same key again does not count as unused."""
    txn.execute_many(
        """
        INSERT INTO e2ee_fallback_key (device_nid, algorithm, key_id, key, used)
        VALUES (%(device_nid)s, %(algorithm)s, %(key_id)s, %(key)s, 0)
        ON CONFLICT (device_nid, algorithm) DO UPDATE
        SET key_id = excluded.key_id, key = excluded.key, used = 0
        WHERE e2ee_fallback_key.key_id <> excluded.key_id OR e2ee_fallback_key.key <> excluded.key
        """,
        [{"device_nid": device_nid, **key._asdict()} for key in keys],
    )


def unclaimed_counts(txn: Transaction, device_nid: int) -> dict[str, int]:
    """How many one-time keys are left, by algorithm."""
    rows = txn.rows(
        """
        SELECT algorithm, count(*) FROM e2ee_one_time_key
        WHERE device_nid = %(device_nid)s AND place > 0
        GROUP BY algorithm
        """,
        device_nid=device_nid,
    )
    return {algorithm: int(count) for algorithm, count in rows}


def unused_fallback_algorithms(txn: Transaction, device_nid: int) -> list[str]:
    rows = txn.rows(
        """
        SELECT algorithm FROM e2ee_fallback_key WHERE device_nid = %(device_nid)s AND used = 0
        ORDER BY algorithm
        """,
        device_nid=device_nid,
    )
    return [algorithm for (algorithm,) in rows]


def delete_claimed_before(txn: Transaction, before: int) -> int:
    """One-time keys claimed before a time in milliseconds; how many they were."""
    return txn.execute("DELETE FROM e2ee_one_time_key WHERE claimed_at < %(before)s", before=before)
