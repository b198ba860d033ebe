"""Table room_partial: rooms of which not all members are known."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from homeserver.protocol.identifiers import EventID, RoomID, ServerName
from homeserver.storage.engine import Transaction


class PartialRow(NamedTuple):
    """`event` is the join by which the room was entered, `servers` were in the room then."""

    room: int
    room_id: RoomID
    event: int
    event_id: EventID
    position: int
    servers: Sequence[ServerName]


def insert_partial(txn: Transaction, room: int, event: int, servers: Sequence[ServerName]) -> None:
    txn.execute(
        "INSERT INTO room_partial (room, event, servers) VALUES (%(room)s, %(event)s, %(servers)s)",
        room=room, event=event, servers=msgspec.json.encode(servers).decode(),
    )  # fmt: skip


def partial_rooms(txn: Transaction, room: int | None = None) -> list[PartialRow]:
    """All of them, or the one that is asked for, if it is one."""
    chosen = "" if room is None else "WHERE p.room = %(room)s"
    rows = txn.rows(
        f"""
        SELECT p.room, r.room_id, p.event, e.event_id, e.position, p.servers FROM room_partial p
        JOIN room r ON r.nid = p.room
        JOIN room_event e ON e.nid = p.event
        {chosen}
        ORDER BY p.room
        """,
        room=room or 0,
    )
    return [
        PartialRow(
            nid,
            RoomID(room_id),
            event,
            EventID(event_id),
            position,
            tuple(map(ServerName, msgspec.json.decode(servers))),
        )
        for nid, room_id, event, event_id, position, servers in rows
    ]


def is_partial(txn: Transaction, room: int) -> bool:
    return txn.row("SELECT 1 FROM room_partial WHERE room = %(room)s", room=room) is not None


def delete_partial(txn: Transaction, room: int) -> None:
    txn.execute("DELETE FROM room_partial WHERE room = %(room)s", room=room)
