"""Table room_elsewhere: what local users are to rooms in which nobody of this server is."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.storage.engine import Row, Transaction


class ElsewhereRow(NamedTuple):
    """`membership` is "invite", "knock" or "leave", made so by `sender`.

    `event` is the member event as JSON for clients, `stripped` a JSON list of the room's stripped state without it.
    """

    user_nid: int
    room_id: RoomID
    version: str
    membership: str
    sender: UserID
    event: bytes
    stripped: bytes
    position: int = 0


_SELECT = (
    "SELECT user_nid, room_id, version, membership, sender, event, stripped, position FROM room_elsewhere"
)


def upsert_elsewhere(txn: Transaction, rows: Sequence[ElsewhereRow], now_ms: int) -> None:
    txn.execute_many(
        """
        INSERT INTO room_elsewhere (user_nid, room_id, version, membership, sender, event, stripped, position,
                                    changed_at)
        VALUES (%(user_nid)s, %(room_id)s, %(version)s, %(membership)s, %(sender)s, %(event)s, %(stripped)s,
                %(position)s, %(now_ms)s)
        ON CONFLICT (user_nid, room_id) DO UPDATE SET version = excluded.version,
            membership = excluded.membership, sender = excluded.sender, event = excluded.event,
            stripped = excluded.stripped, position = excluded.position, changed_at = excluded.changed_at
        """,
        [{**row._asdict(), "now_ms": now_ms} for row in rows],
    )


def elsewhere_of(txn: Transaction, user_nid: int, room_id: RoomID) -> ElsewhereRow | None:
    row = txn.row(
        _SELECT + " WHERE user_nid = %(user_nid)s AND room_id = %(room_id)s",
        user_nid=user_nid, room_id=room_id,
    )  # fmt: skip
    return None if row is None else _read(row)


def inviting_among(txn: Transaction, user_nid: int, room_ids: Collection[RoomID]) -> set[RoomID]:
    """Those of the rooms that a user is invited to."""
    rows = txn.rows(
        """
        SELECT room_id FROM room_elsewhere
        WHERE user_nid = %(user_nid)s AND room_id IN %(room_ids)s AND membership = 'invite'
        """,
        user_nid=user_nid,
        room_ids=list(room_ids),
    )
    return {RoomID(room_id) for (room_id,) in rows}


def elsewhere_after(txn: Transaction, user_nid: int, after: int, upto: int) -> list[ElsewhereRow]:
    """All of a user's that changed at after < position <= upto."""
    rows = txn.rows(
        _SELECT + " WHERE user_nid = %(user_nid)s AND position > %(after)s AND position <= %(upto)s",
        user_nid=user_nid, after=after, upto=upto,
    )  # fmt: skip
    return [_read(row) for row in rows]


def elsewhere_at(txn: Transaction, positions: Collection[int]) -> list[ElsewhereRow]:
    """Those that changed last at one of the positions."""
    rows = txn.rows(_SELECT + " WHERE position IN %(positions)s", positions=list(positions))
    return [_read(row) for row in rows]


def count_invited(txn: Transaction, user_nid: int) -> int:
    """To how many of the rooms a user is invited."""
    row = txn.row(
        "SELECT count(*) FROM room_elsewhere WHERE user_nid = %(user_nid)s AND membership = 'invite'",
        user_nid=user_nid,
    )
    return 0 if row is None else int(row[0])


def delete_elsewhere(txn: Transaction, keys: Collection[tuple[int, RoomID]]) -> None:
    """Each is (user, room); the first a short id."""
    txn.execute_many(
        "DELETE FROM room_elsewhere WHERE user_nid = %(user_nid)s AND room_id = %(room_id)s",
        [{"user_nid": user_nid, "room_id": room_id} for user_nid, room_id in keys],
    )


def delete_old_elsewhere(txn: Transaction, before_ms: int) -> None:
    """What was left before then, and what users have whose accounts have ended."""
    txn.execute(
        "DELETE FROM room_elsewhere WHERE membership = 'leave' AND changed_at < %(before)s", before=before_ms
    )
    txn.execute(
        """
        DELETE FROM room_elsewhere WHERE user_nid IN (
            SELECT user_nid FROM account WHERE deactivated_at IS NOT NULL
        )
        """
    )


def _read(row: Row) -> ElsewhereRow:
    user_nid, room_id, version, membership, sender, event, stripped, position = row
    return ElsewhereRow(
        user_nid,
        RoomID(room_id),
        version,
        membership,
        UserID(sender),
        bytes(event),
        bytes(stripped),
        position,
    )
