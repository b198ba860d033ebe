"""Table notice_room: where the server speaks to its users."""

from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.storage.engine import Transaction


def notice_room(txn: Transaction, user_nid: int) -> RoomID | None:
    row = txn.row("SELECT room_id FROM notice_room WHERE user_nid = %(user_nid)s", user_nid=user_nid)
    return None if row is None else RoomID(row[0])


def is_bound(txn: Transaction, user_id: UserID, room_id: RoomID) -> bool:
    """Whether the room is that in which the server speaks to the user, who has an account still."""
    row = txn.row(
        """
        SELECT 1 FROM notice_room n
        JOIN known_user u ON u.nid = n.user_nid
        JOIN account a ON a.user_nid = n.user_nid
        WHERE n.room_id = %(room_id)s AND u.user_id = %(user_id)s AND a.deactivated_at IS NULL
        """,
        room_id=room_id, user_id=user_id,
    )  # fmt: skip
    return row is not None


def put_notice_room(txn: Transaction, user_nid: int, room_id: RoomID) -> None:
    txn.execute(
        """
        INSERT INTO notice_room (user_nid, room_id) VALUES (%(user_nid)s, %(room_id)s)
        ON CONFLICT (user_nid) DO UPDATE SET room_id = excluded.room_id
        """,
        user_nid=user_nid, room_id=room_id,
    )  # fmt: skip


def delete_rooms_of_deactivated(txn: Transaction) -> None:
    txn.execute(
        """
        DELETE FROM notice_room WHERE user_nid IN (
            SELECT user_nid FROM account WHERE deactivated_at IS NOT NULL
        )
        """
    )
