"""Table room_alias: names of rooms."""

from homeserver.protocol.identifiers import RoomAlias, RoomID, UserID
from homeserver.storage.engine import Transaction


def claim_alias(txn: Transaction, alias: RoomAlias, room_id: RoomID, creator: UserID, now_ms: int) -> bool:
    """Points the alias to the room; False if it points to another room that exists."""
    # An alias is claimed just before its room is stored; one whose room never came is free after a minute.
    txn.execute(
        """
        DELETE FROM room_alias WHERE alias = %(alias)s AND made_at < %(minute_ago)s
          AND NOT EXISTS (SELECT 1 FROM room WHERE room.room_id = room_alias.room_id)
        """,
        alias=alias, minute_ago=now_ms - 60_000,
    )  # fmt: skip
    claimed = txn.execute(
        """
        INSERT INTO room_alias (alias, room_id, creator, made_at)
        VALUES (%(alias)s, %(room_id)s, %(creator)s, %(now_ms)s)
        ON CONFLICT (alias) DO NOTHING
        """,
        alias=alias, room_id=room_id, creator=creator, now_ms=now_ms,
    )  # fmt: skip
    return claimed == 1


def find_alias(txn: Transaction, alias: RoomAlias) -> tuple[RoomID, UserID] | None:
    """The room, if it exists, and who named it: an alias is claimed before its room is stored."""
    row = txn.row(
        """
        SELECT a.room_id, a.creator FROM room_alias a JOIN room r ON r.room_id = a.room_id
        WHERE a.alias = %(alias)s
        """,
        alias=alias,
    )
    return None if row is None else (RoomID(row[0]), UserID(row[1]))


def aliases_of_room(txn: Transaction, room_id: RoomID) -> list[RoomAlias]:
    rows = txn.rows(
        "SELECT alias FROM room_alias WHERE room_id = %(room_id)s ORDER BY made_at, alias", room_id=room_id
    )
    return [RoomAlias(alias) for (alias,) in rows]


def delete_alias(txn: Transaction, alias: RoomAlias) -> None:
    txn.execute("DELETE FROM room_alias WHERE alias = %(alias)s", alias=alias)


def move_aliases(txn: Transaction, old: RoomID, new: RoomID) -> None:
    txn.execute("UPDATE room_alias SET room_id = %(new)s WHERE room_id = %(old)s", old=old, new=new)
