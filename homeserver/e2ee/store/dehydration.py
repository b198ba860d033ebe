"""Table e2ee_dehydrated_device."""

from typing import NamedTuple

from homeserver.protocol.identifiers import DeviceID
from homeserver.storage.engine import Transaction


class DehydratedDevice(NamedTuple):
    """`data` is JSON that only clients understand."""

    device_nid: int
    device_id: DeviceID
    data: bytes


def dehydrated_device(txn: Transaction, user_nid: int) -> DehydratedDevice | None:
    row = txn.row(
        """
        SELECT h.device_nid, h.device_id, h.data FROM e2ee_dehydrated_device h
        JOIN account_device d ON d.nid = h.device_nid
        WHERE h.user_nid = %(user_nid)s
        """,
        user_nid=user_nid,
    )
    return None if row is None else DehydratedDevice(*row)


def put_dehydrated_device(txn: Transaction, user_nid: int, device: DehydratedDevice) -> None:
    txn.execute(
        """
        INSERT INTO e2ee_dehydrated_device (user_nid, device_nid, device_id, data)
        VALUES (%(user_nid)s, %(device_nid)s, %(device_id)s, %(data)s)
        ON CONFLICT (user_nid) DO UPDATE
        SET device_nid = excluded.device_nid, device_id = excluded.device_id, data = excluded.data
        """,
        user_nid=user_nid, **device._asdict(),
    )  # fmt: skip
