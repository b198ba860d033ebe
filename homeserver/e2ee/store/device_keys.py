"""Table e2ee_device_keys."""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import DeviceID, UserID
from homeserver.storage.engine import Transaction


class DeviceKeysRow(NamedTuple):
    """`keys` is the JSON of the keys with the signatures that everybody may see."""

    device_nid: int
    user_nid: int
    device_id: DeviceID
    keys: bytes


class PublishedDevice(NamedTuple):
    """A device's keys as they are looked up, with the name that the user gave the device."""

    user_id: UserID
    device_id: DeviceID
    display_name: str | None
    keys: bytes


def device_keys(txn: Transaction, device_nid: int) -> bytes | None:
    row = txn.row("SELECT keys FROM e2ee_device_keys WHERE device_nid = %(nid)s", nid=device_nid)
    return None if row is None else bytes(row[0])


def put_device_keys(txn: Transaction, row: DeviceKeysRow) -> None:
    txn.execute(
        """
        INSERT INTO e2ee_device_keys (device_nid, user_nid, device_id, keys)
        VALUES (%(device_nid)s, %(user_nid)s, %(device_id)s, %(keys)s)
        ON CONFLICT (device_nid) DO UPDATE SET keys = excluded.keys
        """,
        **row._asdict(),
    )


def replace_device_keys(txn: Transaction, device_nid: int, keys: bytes) -> None:
    """Of a device that has keys."""
    txn.execute(
        "UPDATE e2ee_device_keys SET keys = %(keys)s WHERE device_nid = %(nid)s", nid=device_nid, keys=keys
    )


def published_devices(txn: Transaction, user_ids: Sequence[UserID]) -> list[PublishedDevice]:
    """Every device of these users that has keys."""
    rows = txn.rows(
        """
        SELECT u.user_id, d.device_id, d.display_name, k.keys FROM known_user u
        JOIN e2ee_device_keys k ON k.user_nid = u.nid
        JOIN account_device d ON d.nid = k.device_nid
        WHERE u.user_id IN %(user_ids)s
        """,
        user_ids=list(user_ids),
    )
    return [PublishedDevice(*row) for row in rows]


def own_device_keys(txn: Transaction, user_nid: int) -> dict[DeviceID, DeviceKeysRow]:
    """The keys of each of a user's devices."""
    rows = txn.rows(
        """
        SELECT k.device_nid, k.user_nid, k.device_id, k.keys FROM e2ee_device_keys k
        JOIN account_device d ON d.nid = k.device_nid
        WHERE k.user_nid = %(user_nid)s
        """,
        user_nid=user_nid,
    )
    return {row.device_id: row for row in (DeviceKeysRow(*row) for row in rows)}


class LocalDevice(NamedTuple):
    nid: int
    user_id: UserID
    device_id: DeviceID


def local_devices(txn: Transaction, user_ids: Sequence[UserID]) -> list[LocalDevice]:
    """All devices of these users, with and without keys."""
    rows = txn.rows(
        """
        SELECT d.nid, u.user_id, d.device_id FROM known_user u JOIN account_device d ON d.user_nid = u.nid
        WHERE u.user_id IN %(user_ids)s
        """,
        user_ids=list(user_ids),
    )
    return [LocalDevice(*row) for row in rows]


def orphaned_owners(txn: Transaction) -> list[tuple[int, UserID]]:
    """Users who have keys of a device that is no more."""
    rows = txn.rows(
        """
        SELECT DISTINCT u.nid, u.user_id FROM e2ee_device_keys k JOIN known_user u ON u.nid = k.user_nid
        WHERE NOT EXISTS (SELECT 1 FROM account_device d WHERE d.nid = k.device_nid)
        """
    )
    return [(nid, UserID(user_id)) for nid, user_id in rows]


def delete_orphans_of(txn: Transaction, user_nid: int) -> list[int]:
    """The keys of those of a user's devices that are no more; the short ids that these had."""
    rows = txn.rows(
        """
        DELETE FROM e2ee_device_keys WHERE user_nid = %(user_nid)s
            AND NOT EXISTS (SELECT 1 FROM account_device d WHERE d.nid = e2ee_device_keys.device_nid)
        RETURNING device_nid
        """,
        user_nid=user_nid,
    )
    return [nid for (nid,) in rows]


def user_id_of(txn: Transaction, user_nid: int) -> UserID:
    row = txn.row("SELECT user_id FROM known_user WHERE nid = %(nid)s", nid=user_nid)
    assert row is not None, "short ids are never given up"
    return UserID(row[0])
