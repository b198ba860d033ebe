"""Table room_completed: rooms that were entered without most of their members, since when they have them."""

from collections.abc import Collection, Sequence

from homeserver.storage.engine import Transaction


def insert_completed(txn: Transaction, room: int, now_ms: int) -> None:
    """The room has no position yet."""
    txn.execute(
        """
        INSERT INTO room_completed (room, completed_at) VALUES (%(room)s, %(now_ms)s)
        ON CONFLICT (room) DO UPDATE SET position = NULL, completed_at = excluded.completed_at
        """,
        room=room, now_ms=now_ms,
    )  # fmt: skip


def rooms_without_position(txn: Transaction) -> list[int]:
    return [room for (room,) in txn.rows("SELECT room FROM room_completed WHERE position IS NULL")]


def set_positions(txn: Transaction, places: Sequence[tuple[int, int]]) -> None:
    """Each is (room, position). The first position of a room stays."""
    txn.execute_many(
        "UPDATE room_completed SET position = %(position)s WHERE room = %(room)s AND position IS NULL",
        [{"room": room, "position": position} for room, position in places],
    )


def completed_between(txn: Transaction, rooms: Collection[int], after: int, upto: int) -> set[int]:
    """Those of the rooms that were completed at after < position <= upto."""
    if not rooms:
        return set()
    rows = txn.rows(
        """
        SELECT room FROM room_completed
        WHERE room IN %(rooms)s AND position > %(after)s AND position <= %(upto)s
        """,
        rooms=list(rooms), after=after, upto=upto,
    )  # fmt: skip
    return {room for (room,) in rows}


def delete_completed(txn: Transaction, before_ms: int) -> int:
    """What was completed before a time, in milliseconds since the epoch; how many they were."""
    return txn.execute("DELETE FROM room_completed WHERE completed_at < %(before)s", before=before_ms)
