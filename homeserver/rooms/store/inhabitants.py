"""Table room_inhabitant: which users of this server are in which room now."""

from collections.abc import Collection

from homeserver.protocol.identifiers import UserID
from homeserver.storage.engine import Transaction


def add_inhabitants(txn: Transaction, pairs: Collection[tuple[int, int]]) -> None:
    """Pairs of short ids, of a room and a user; those who are there already may be among them."""
    txn.execute_many(
        """
        INSERT INTO room_inhabitant (room, user_nid) VALUES (%(room)s, %(user_nid)s)
        ON CONFLICT (room, user_nid) DO NOTHING
        """,
        [{"room": room, "user_nid": user_nid} for room, user_nid in sorted(pairs)],
    )


def remove_inhabitants(txn: Transaction, pairs: Collection[tuple[int, int]]) -> None:
    """Users of other servers may be among them."""
    txn.execute_many(
        "DELETE FROM room_inhabitant WHERE room = %(room)s AND user_nid = %(user_nid)s",
        [{"room": room, "user_nid": user_nid} for room, user_nid in sorted(pairs)],
    )


def remove_all_inhabitants(txn: Transaction, room: int) -> None:
    txn.execute("DELETE FROM room_inhabitant WHERE room = %(room)s", room=room)


def inhabited(txn: Transaction, rooms: Collection[int]) -> set[int]:
    """Those of the rooms that somebody of this server is in; costs the same however many are there."""
    rows = txn.rows(
        """
        SELECT r.nid FROM room r
        WHERE r.nid IN %(rooms)s AND EXISTS (SELECT 1 FROM room_inhabitant i WHERE i.room = r.nid)
        """,
        rooms=list(rooms),
    )
    return {room for (room,) in rows}


def is_inhabited(txn: Transaction, room: int) -> bool:
    """Whether somebody of this server is in the room."""
    return bool(inhabited(txn, [room]))


def inhabitants(txn: Transaction, room: int, limit: int = 100) -> list[UserID]:
    """Some users of this server who are in the room, those first who have been there longest."""
    rows = txn.rows(
        """
        SELECT u.user_id FROM room_inhabitant i
        JOIN room_member m ON m.room = i.room AND m.user_nid = i.user_nid
        JOIN known_user u ON u.nid = i.user_nid
        WHERE i.room = %(room)s
        ORDER BY m.since
        LIMIT %(limit)s
        """,
        room=room, limit=limit,
    )  # fmt: skip
    return [UserID(user_id) for (user_id,) in rows]
