"""Table account_device."""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import DeviceID
from homeserver.storage.engine import Transaction


class Device(NamedTuple):
    """`last_seen_at` is in milliseconds since the epoch, None before the first request is noted."""

    nid: int
    device_id: DeviceID
    display_name: str | None
    last_seen_at: int | None
    last_seen_ip: str | None
    last_seen_agent: str | None


class Seen(NamedTuple):
    """A device's newest request."""

    device_nid: int
    at: int
    ip: str
    user_agent: str


_SELECT = """
    SELECT nid, device_id, display_name, last_seen_at, last_seen_ip, last_seen_agent FROM account_device
"""


def devices_of(txn: Transaction, user_nid: int) -> list[Device]:
    rows = txn.rows(_SELECT + " WHERE user_nid = %(user_nid)s ORDER BY nid", user_nid=user_nid)
    return [Device(*row) for row in rows]


def device(txn: Transaction, user_nid: int, device_id: DeviceID) -> Device | None:
    row = txn.row(
        _SELECT + " WHERE user_nid = %(user_nid)s AND device_id = %(device_id)s",
        user_nid=user_nid,
        device_id=device_id,
    )
    return None if row is None else Device(*row)


def upsert_device(
    txn: Transaction,
    user_nid: int,
    device_id: DeviceID,
    display_name: str | None,
    session_ends_at: int | None,
    proven_at: int = 0,
) -> int:
    """The short id of the device, on which a session begins. A known device keeps its display name.

    `proven_at` is when its user showed who they are, 0 where nobody did.
    """
    row = txn.row(
        """
        INSERT INTO account_device (user_nid, device_id, display_name, session_ends_at, proven_at)
        VALUES (%(user_nid)s, %(device_id)s, %(display_name)s, %(session_ends_at)s, %(proven_at)s)
        ON CONFLICT (user_nid, device_id)
            DO UPDATE SET token_generation = 0, session_ends_at = excluded.session_ends_at,
                          proven_at = excluded.proven_at
        RETURNING nid
        """,
        user_nid=user_nid,
        device_id=device_id,
        display_name=display_name,
        session_ends_at=session_ends_at,
        proven_at=proven_at,
    )
    assert row is not None, "an upsert returns its row"
    return int(row[0])


def insert_device(txn: Transaction, user_nid: int, device_id: DeviceID, display_name: str | None) -> bool:
    """A device without tokens. False where the user has it already."""
    inserted = txn.execute(
        """
        INSERT INTO account_device (user_nid, device_id, display_name)
        VALUES (%(user_nid)s, %(device_id)s, %(display_name)s)
        ON CONFLICT (user_nid, device_id) DO NOTHING
        """,
        user_nid=user_nid,
        device_id=device_id,
        display_name=display_name,
    )
    return inserted > 0


def proven_at(txn: Transaction, nid: int) -> int:
    """When the device's user last showed who they are; 0 for never."""
    row = txn.row("SELECT proven_at FROM account_device WHERE nid = %(nid)s", nid=nid)
    return 0 if row is None else int(row[0])


def update_proven_at(txn: Transaction, nid: int, now: int) -> None:
    txn.execute("UPDATE account_device SET proven_at = %(now)s WHERE nid = %(nid)s", nid=nid, now=now)


def rename_device(txn: Transaction, user_nid: int, device_id: DeviceID, display_name: str) -> bool:
    """False where the user has no such device."""
    changed = txn.execute(
        """
        UPDATE account_device SET display_name = %(display_name)s
        WHERE user_nid = %(user_nid)s AND device_id = %(device_id)s
        """,
        user_nid=user_nid,
        device_id=device_id,
        display_name=display_name,
    )
    return changed > 0


def device_nids(txn: Transaction, user_nid: int, device_ids: Sequence[DeviceID]) -> list[int]:
    """Of those of the named devices that the user has."""
    rows = txn.rows(
        "SELECT nid FROM account_device WHERE user_nid = %(user_nid)s AND device_id IN %(device_ids)s",
        user_nid=user_nid,
        device_ids=list(device_ids),
    )
    return [nid for (nid,) in rows]


def device_nids_but(txn: Transaction, user_nid: int, kept: int | None) -> list[int]:
    """Of all the user's devices but the one with the short id `kept`."""
    rows = txn.rows("SELECT nid FROM account_device WHERE user_nid = %(user_nid)s", user_nid=user_nid)
    return [nid for (nid,) in rows if nid != kept]


def delete_device_rows(txn: Transaction, nids: Sequence[int]) -> None:
    txn.execute("DELETE FROM account_device WHERE nid IN %(nids)s", nids=list(nids))


def update_last_seen(txn: Transaction, seen: Sequence[Seen]) -> None:
    txn.execute_many(
        """
        UPDATE account_device
        SET last_seen_at = %(at)s, last_seen_ip = %(ip)s, last_seen_agent = %(user_agent)s
        WHERE nid = %(device_nid)s
        """,
        [one._asdict() for one in seen],
    )
