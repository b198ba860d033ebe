"""Tables room_alias and room_published: names of rooms, and rooms that everyone may find."""

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


def room_of_alias(txn: Transaction, alias: RoomAlias) -> RoomID | None:
    """The room, if it exists: an alias is claimed before its room is stored."""
    row = txn.row(
        """
        SELECT a.room_id FROM room_alias a JOIN room r ON r.room_id = a.room_id WHERE a.alias = %(alias)s
        """,
        alias=alias,
    )
    return None if row is None else RoomID(row[0])


def publish_room(txn: Transaction, room_id: RoomID) -> None:
    txn.execute(
        "INSERT INTO room_published (room_id) VALUES (%(room_id)s) ON CONFLICT DO NOTHING", room_id=room_id
    )
