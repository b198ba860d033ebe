"""Table room_partial: rooms of which not all members are known."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from homeserver.protocol.identifiers import EventID, RoomID, ServerName
from homeserver.rooms.store.spans import EVER, Span
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


def delete_partial(txn: Transaction, room: int) -> None:
    txn.execute("DELETE FROM room_partial WHERE room = %(room)s", room=room)


def first_spans(txn: Transaction, room: int, slots: Collection[int]) -> dict[int, Span]:
    """The first value that each of the slots is known to have had; slots without any are left out."""
    rows = txn.rows(
        """
        SELECT room, slot, from_line, to_line, event FROM room_state_span
        WHERE room = %(room)s AND slot IN %(slots)s ORDER BY to_line DESC
        """,
        room=room, slots=list(slots),
    )  # fmt: skip
    # Of several, the first to end remains.
    return {slot: Span(nid, slot, *rest) for nid, slot, *rest in rows}


def correct_first_spans(txn: Transaction, room: int, events: Collection[tuple[int, int]]) -> None:
    """Puts (slot, event) in the place of what was believed to have held from ever."""
    txn.execute_many(
        """
        UPDATE room_state_span SET event = %(event)s
        WHERE room = %(room)s AND slot = %(slot)s AND from_line = %(ever)s
        """,
        [{"room": room, "slot": slot, "event": event, "ever": EVER} for slot, event in events],
    )
