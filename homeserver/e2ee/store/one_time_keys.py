"""Tables e2ee_one_time_key, e2ee_one_time_stock and e2ee_fallback_key.

One-time keys are written and claimed in the journal's order only: nothing comes between reading and writing.
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
    key_id: str
    place: int
    key: bytes
    is_claimed: bool


class ClaimedKey(NamedTuple):
    device_nid: int
    key_id: str
    key: bytes


def same_named_keys(
    txn: Transaction, device_nid: int, keys: Sequence[UploadedKey]
) -> dict[tuple[str, str], StoredKey]:
    """One-time keys that the device has or had, called like these, by algorithm and key ID."""
    # SQLite joins in the written order where it reads CROSS.
    rows = txn.rows(
        """
        SELECT k.algorithm, k.key_id, k.place, k.key, k.place < s.next_place
        FROM e2ee_one_time_stock s CROSS JOIN e2ee_one_time_key k
        WHERE s.device_nid = %(device_nid)s AND s.algorithm IN %(algorithms)s
            AND k.device_nid = s.device_nid AND k.algorithm = s.algorithm AND k.key_id IN %(key_ids)s
        """,
        device_nid=device_nid,
        algorithms=sorted({key.algorithm for key in keys}), key_ids=[key.key_id for key in keys],
    )  # fmt: skip
    return {
        (algorithm, key_id): StoredKey(algorithm, key_id, place, bytes(key), bool(is_claimed))
        for algorithm, key_id, place, key, is_claimed in rows
    }


def append_one_time_keys(txn: Transaction, device_nid: int, keys: Sequence[UploadedKey]) -> None:
    """They come after those that the device has."""
    last = _last_places(txn, device_nid)
    rows = []
    for key in keys:
        place = last[key.algorithm] = last.get(key.algorithm, 0) + 1
        rows.append(
            {
                "device_nid": device_nid,
                "algorithm": key.algorithm,
                "place": place,
                "key_id": key.key_id,
                "key": key.key,
            }
        )
    txn.execute_many(
        """
        INSERT INTO e2ee_one_time_key (device_nid, algorithm, place, key_id, key)
        VALUES (%(device_nid)s, %(algorithm)s, %(place)s, %(key_id)s, %(key)s)
        """,
        rows,
    )
    txn.execute_many(
        """
        INSERT INTO e2ee_one_time_stock (device_nid, algorithm, last_place)
        VALUES (%(device_nid)s, %(algorithm)s, %(last_place)s)
        ON CONFLICT (device_nid, algorithm) DO UPDATE SET last_place = excluded.last_place
        """,
        [
            {"device_nid": device_nid, "algorithm": algorithm, "last_place": place}
            for algorithm, place in last.items()
        ],
    )


def _last_places(txn: Transaction, device_nid: int) -> dict[str, int]:
    rows = txn.rows(
        "SELECT algorithm, last_place FROM e2ee_one_time_stock WHERE device_nid = %(device_nid)s",
        device_nid=device_nid,
    )
    return {algorithm: int(place) for algorithm, place in rows}


def delete_claimed_keys(txn: Transaction, device_nid: int, keys: Sequence[StoredKey]) -> None:
    txn.execute_many(
        """
        DELETE FROM e2ee_one_time_key
        WHERE device_nid = %(device_nid)s AND algorithm = %(algorithm)s AND place = %(place)s
        """,
        [{"device_nid": device_nid, "algorithm": key.algorithm, "place": key.place} for key in keys],
    )


def claim_one_time_keys(txn: Transaction, device_nids: Sequence[int], algorithm: str) -> list[ClaimedKey]:
    """The first key that is left of each device that has one; nobody else is ever given it."""
    # SQLite joins in the written order where it reads CROSS: one probe for each device.
    rows = txn.rows(
        """
        SELECT k.device_nid, k.key_id, k.key
        FROM e2ee_one_time_stock s CROSS JOIN e2ee_one_time_key k
        WHERE s.device_nid IN %(device_nids)s AND s.algorithm = %(algorithm)s
            AND k.device_nid = s.device_nid AND k.algorithm = %(algorithm)s AND k.place = s.next_place
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
        SELECT algorithm, last_place - next_place + 1 FROM e2ee_one_time_stock
        WHERE device_nid = %(device_nid)s AND next_place <= last_place
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
    """One-time keys known to have been claimed before a time in milliseconds; how many they were."""
    return txn.execute(
        """
        DELETE FROM e2ee_one_time_key WHERE (device_nid, algorithm, place) IN (
            SELECT k.device_nid, k.algorithm, k.place
            FROM e2ee_one_time_stock s CROSS JOIN e2ee_one_time_key k
            WHERE s.spent_at < %(before)s AND s.spent_place > 1
                AND k.device_nid = s.device_nid AND k.algorithm = s.algorithm AND k.place < s.spent_place
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
