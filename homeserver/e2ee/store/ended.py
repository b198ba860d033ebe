"""What goes when a device or an account has ended, from all tables of encryption."""

from homeserver.e2ee.store.cross_signing import Kind, delete_cross_signing_keys, delete_signatures_by
from homeserver.e2ee.store.device_lists import delete_changes_seen_by
from homeserver.protocol.identifiers import UserID
from homeserver.storage.engine import Transaction

_OF_DEVICES = (
    "e2ee_one_time_batch",
    "e2ee_one_time_stock",
    "e2ee_fallback_key",
    "e2ee_to_device",
    "e2ee_dehydrated_device",
)


def delete_rows_of_devices(txn: Transaction, device_nids: list[int]) -> None:
    """What belongs to devices, but for their identity keys."""
    for table in _OF_DEVICES:
        txn.execute(f"DELETE FROM {table} WHERE device_nid IN %(nids)s", nids=device_nids)


def delete_rows_of_no_device(txn: Transaction) -> int:
    """The same of all devices that are no more; how many rows there were."""
    return sum(
        txn.execute(
            f"""
            DELETE FROM {table}
            WHERE NOT EXISTS (SELECT 1 FROM account_device d WHERE d.nid = {table}.device_nid)
            """
        )
        for table in _OF_DEVICES
    )


def ended_owners(txn: Transaction) -> list[tuple[int, UserID]]:
    """Users who were deactivated and still have cross-signing keys or backups."""
    rows = txn.rows(
        """
        SELECT u.nid, u.user_id FROM account a JOIN known_user u ON u.nid = a.user_nid
        WHERE deactivated_at IS NOT NULL AND (
            EXISTS (SELECT 1 FROM e2ee_cross_signing_key k WHERE k.user_nid = a.user_nid)
            OR EXISTS (SELECT 1 FROM e2ee_user_signature s WHERE s.signer_nid = a.user_nid)
            OR EXISTS (SELECT 1 FROM e2ee_backup b WHERE b.user_nid = a.user_nid)
        )
        """
    )
    return [(nid, UserID(user_id)) for nid, user_id in rows]


def delete_rows_of_user(txn: Transaction, user_nid: int) -> None:
    """What belongs to a user whose account has ended, and to none of the devices."""
    delete_cross_signing_keys(txn, user_nid, list(Kind))
    delete_signatures_by(txn, user_nid)
    delete_changes_seen_by(txn, user_nid)
    for table in ("e2ee_backup_key", "e2ee_backup"):
        txn.execute(f"DELETE FROM {table} WHERE user_nid = %(user_nid)s", user_nid=user_nid)
