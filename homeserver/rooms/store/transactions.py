"""Table room_transaction: which event a device's transaction ID made.

https://spec.matrix.org/v1.19/client-server-api/#transaction-identifiers
"""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID
from homeserver.storage.engine import Transaction


class TransactionKey(NamedTuple):
    """A transaction ID with all that limits its meaning."""

    device: int
    room: int
    endpoint: str
    txn_id: str


def made_events(txn: Transaction, keys: Sequence[TransactionKey]) -> dict[TransactionKey, EventID]:
    """The events that were made already by any of `keys`."""
    if not keys:
        return {}
    rows = txn.rows(
        """
        SELECT device, room, endpoint, txn_id, event_id FROM room_transaction
        WHERE device IN %(devices)s AND txn_id IN %(txn_ids)s
        """,
        devices=list({key.device for key in keys}), txn_ids=list({key.txn_id for key in keys}),
    )  # fmt: skip
    found = {TransactionKey(*row[:4]): EventID(row[4]) for row in rows}
    return {key: found[key] for key in keys if key in found}


def insert_transactions(
    txn: Transaction, made: Sequence[tuple[TransactionKey, EventID]], now_ms: int
) -> None:
    txn.execute_many(
        """
        INSERT INTO room_transaction (device, room, endpoint, txn_id, event_id, made_at)
        VALUES (%(device)s, %(room)s, %(endpoint)s, %(txn_id)s, %(event_id)s, %(now_ms)s)
        """,
        [key._asdict() | {"event_id": event_id, "now_ms": now_ms} for key, event_id in made],
    )


def transaction_ids(txn: Transaction, device: int, event_ids: Sequence[EventID]) -> dict[EventID, str]:
    """The transaction IDs by which `device` made some of these events."""
    rows = txn.rows(
        """
        SELECT event_id, txn_id FROM room_transaction WHERE event_id IN %(event_ids)s AND device = %(device)s
        """,
        event_ids=list(event_ids), device=device,
    )  # fmt: skip
    return {EventID(event_id): txn_id for event_id, txn_id in rows}


def delete_transactions(txn: Transaction, before_ms: int) -> int:
    """Forgets what was made before a time, in milliseconds since the epoch; returns how many."""
    return txn.execute("DELETE FROM room_transaction WHERE made_at < %(before_ms)s", before_ms=before_ms)
