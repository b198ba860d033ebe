"""Table ephemeral_receipt."""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.storage.engine import Transaction

READ = "m.read"
READ_PRIVATE = "m.read.private"

_NUMBER_OF_TYPE = {READ: 1, READ_PRIVATE: 2}
_TYPE_OF_NUMBER = {number: type_ for type_, number in _NUMBER_OF_TYPE.items()}


class ReceiptKey(NamedTuple):
    """What a user has one receipt for. `type` is READ or READ_PRIVATE, `thread` is '' where it has none."""

    room_nid: int
    user_nid: int
    type: str
    thread: str


class ReceiptRow(NamedTuple):
    """`event_position` is the event's place in the timeline, 0 where it is not known; `ts` is in ms."""

    key: ReceiptKey
    event_id: str
    event_position: int
    ts: int
    position: int


def supersedes(event_position: int, stored_position: int) -> bool:
    """Whether a receipt replaces the stored one; at an event that is not known (0) it always does."""
    return event_position == 0 or event_position > stored_position


def upsert_receipts(txn: Transaction, rows: Sequence[ReceiptRow]) -> None:
    """Writes receipts of different keys, except where the stored one is further on (`supersedes`)."""
    txn.execute_many(
        """
        INSERT INTO ephemeral_receipt (room_nid, user_nid, type, thread,
                                       event_id, event_position, ts, position)
        VALUES (%(room_nid)s, %(user_nid)s, %(type)s, %(thread)s,
                %(event_id)s, %(event_position)s, %(ts)s, %(position)s)
        ON CONFLICT (room_nid, user_nid, type, thread) DO UPDATE
        SET event_id = excluded.event_id, event_position = excluded.event_position, ts = excluded.ts,
            position = excluded.position
        WHERE excluded.event_position = 0 OR excluded.event_position > ephemeral_receipt.event_position
        """,
        [
            {
                "room_nid": key.room_nid,
                "user_nid": key.user_nid,
                "type": _NUMBER_OF_TYPE[key.type],
                "thread": key.thread,
                "event_id": event_id,
                "event_position": event_position,
                "ts": ts,
                "position": position,
            }
            for key, event_id, event_position, ts, position in rows
        ],
    )


class ReceiptChange(NamedTuple):
    """A receipt as readers are told of it."""

    room_nid: int
    event_id: str
    type: str
    user_id: str
    thread: str
    ts: int


def receipt_changes(txn: Transaction, room_nids: Sequence[int], after: int, upto: int) -> list[ReceiptChange]:
    """The receipts of these rooms that moved at after < position <= upto, those of private kind too."""
    rows = txn.rows(
        """
        SELECT r.room_nid, r.event_id, r.type, u.user_id, r.thread, r.ts
        FROM ephemeral_receipt r JOIN known_user u ON u.nid = r.user_nid
        WHERE r.room_nid IN %(room_nids)s AND r.position > %(after)s AND r.position <= %(upto)s
        """,
        room_nids=list(room_nids), after=after, upto=upto,
    )  # fmt: skip
    return [
        ReceiptChange(room_nid, event_id, _TYPE_OF_NUMBER[number], user_id, thread, ts)
        for room_nid, event_id, number, user_id, thread, ts in rows
    ]


def oldest_receipts(
    txn: Transaction, room_nids: Sequence[int], after: int, upto: int, limit: int
) -> list[int]:
    """The positions at after < position <= upto to which receipts of these rooms moved last, oldest first."""
    rows = txn.rows(
        """
        SELECT position FROM ephemeral_receipt
        WHERE room_nid IN %(room_nids)s AND position > %(after)s AND position <= %(upto)s
        ORDER BY position LIMIT %(limit)s
        """,
        room_nids=list(room_nids), after=after, upto=upto, limit=limit,
    )  # fmt: skip
    return [position for (position,) in rows]


def delete_room(txn: Transaction, room_nid: int) -> None:
    """All receipts of a room, when the room is deleted."""
    txn.execute("DELETE FROM ephemeral_receipt WHERE room_nid = %(room_nid)s", room_nid=room_nid)
