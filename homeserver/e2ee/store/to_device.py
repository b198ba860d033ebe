"""Tables e2ee_to_device and e2ee_to_device_request."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from homeserver.storage.engine import Transaction


class WaitingMessage(NamedTuple):
    """`content` is the JSON of an object."""

    device_nid: int
    position: int
    sender: str
    type: str
    content: bytes


def insert_messages(txn: Transaction, messages: Sequence[WaitingMessage]) -> None:
    txn.execute_many(
        """
        INSERT INTO e2ee_to_device (device_nid, position, sender, type, content)
        VALUES (%(device_nid)s, %(position)s, %(sender)s, %(type)s, %(content)s)
        """,
        [message._asdict() for message in messages],
    )


def waiting_messages(
    txn: Transaction, device_nid: int, after: int, upto: int, limit: int
) -> list[WaitingMessage]:
    """The oldest messages of a device at after < position <= upto."""
    rows = txn.rows(
        """
        SELECT device_nid, position, sender, type, content FROM e2ee_to_device
        WHERE device_nid = %(device_nid)s AND position > %(after)s AND position <= %(upto)s
        ORDER BY position LIMIT %(limit)s
        """,
        device_nid=device_nid, after=after, upto=upto, limit=limit,
    )  # fmt: skip
    return [WaitingMessage(*row) for row in rows]


def has_messages_up_to(txn: Transaction, device_nid: int, upto: int) -> bool:
    row = txn.row(
        """
        SELECT 1 FROM e2ee_to_device WHERE device_nid = %(device_nid)s AND position <= %(upto)s LIMIT 1
        """,
        device_nid=device_nid, upto=upto,
    )  # fmt: skip
    return row is not None


def delete_messages_up_to(txn: Transaction, positions: Mapping[int, int]) -> None:
    """Of each device those up to its position."""
    txn.execute_many(
        "DELETE FROM e2ee_to_device WHERE device_nid = %(device_nid)s AND position <= %(upto)s",
        [{"device_nid": device_nid, "upto": upto} for device_nid, upto in positions.items()],
    )


def delete_messages(txn: Transaction, messages: Iterable[tuple[int, int]]) -> None:
    """Each is (device, position)."""
    txn.execute_many(
        "DELETE FROM e2ee_to_device WHERE device_nid = %(device_nid)s AND position = %(position)s",
        [{"device_nid": device_nid, "position": position} for device_nid, position in messages],
    )


def requests_made(txn: Transaction, requests: Sequence[str]) -> set[str]:
    """Those of the requests that were made before."""
    rows = txn.rows(
        "SELECT request FROM e2ee_to_device_request WHERE request IN %(requests)s", requests=list(requests)
    )
    return {request for (request,) in rows}


def insert_requests(txn: Transaction, requests: Sequence[str], now: int) -> None:
    txn.execute_many(
        "INSERT INTO e2ee_to_device_request (request, made_at) VALUES (%(request)s, %(now)s)",
        [{"request": request, "now": now} for request in requests],
    )


def delete_requests_before(txn: Transaction, before: int) -> int:
    """Requests made before a time in ms; how many they were."""
    return txn.execute("DELETE FROM e2ee_to_device_request WHERE made_at < %(before)s", before=before)
