"""Table appservice_message: messages to devices that a service is to be sent."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from homeserver.protocol.identifiers import DeviceID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.storage.engine import Transaction


class OutgoingMessage(NamedTuple):
    """`content` is the JSON of an object."""

    user_id: UserID
    device_id: DeviceID
    sender: str
    type: str
    content: bytes

    def event(self) -> JsonObject:
        """https://github.com/matrix-org/matrix-spec-proposals/pull/4203"""
        return {
            "to_user_id": self.user_id,
            "to_device_id": self.device_id,
            "sender": self.sender,
            "type": self.type,
            "content": msgspec.Raw(self.content),
        }


def insert_outgoing_messages(txn: Transaction, rows: Iterable[tuple[str, int, int]], now_ms: int) -> None:
    """Each is (service, position, the device's short id)."""
    txn.execute_many(
        """
        INSERT INTO appservice_message (service, position, device_nid, added_at)
        VALUES (%(service)s, %(position)s, %(device)s, %(now_ms)s)
        """,
        [
            {"service": service, "position": position, "device": device, "now_ms": now_ms}
            for service, position, device in rows
        ],
    )


def oldest_outgoing_messages(txn: Transaction, service: str, upto: int, limit: int) -> list[int]:
    """The positions of the oldest messages for a service, up to a position."""
    rows = txn.rows(
        """
        SELECT position FROM appservice_message WHERE service = %(service)s AND position <= %(upto)s
        ORDER BY position LIMIT %(limit)s
        """,
        service=service, upto=upto, limit=limit,
    )  # fmt: skip
    return [position for (position,) in rows]


def outgoing_messages(txn: Transaction, service: str, upto: int) -> list[OutgoingMessage]:
    """The messages for a service up to a position, oldest first; without those that their devices have had."""
    rows = txn.rows(
        """
        SELECT u.user_id, d.device_id, t.sender, t.type, t.content FROM appservice_message m
        JOIN e2ee_to_device t ON t.device_nid = m.device_nid AND t.position = m.position
        JOIN account_device d ON d.nid = m.device_nid
        JOIN known_user u ON u.nid = d.user_nid
        WHERE m.service = %(service)s AND m.position <= %(upto)s
        ORDER BY m.position, m.device_nid
        """,
        service=service, upto=upto,
    )  # fmt: skip
    return [OutgoingMessage(*row) for row in rows]


def take_outgoing_messages(txn: Transaction, service: str, upto: int) -> list[tuple[int, int]]:
    """Removes those up to a position; (device, position) of each."""
    rows = txn.rows(
        """
        DELETE FROM appservice_message WHERE service = %(service)s AND position <= %(upto)s
        RETURNING device_nid, position
        """,
        service=service, upto=upto,
    )  # fmt: skip
    return [(device, position) for device, position in rows]


def delete_old_messages(txn: Transaction, before_ms: int) -> None:
    """What has waited for longer than anybody should."""
    txn.execute("DELETE FROM appservice_message WHERE added_at < %(before)s", before=before_ms)
