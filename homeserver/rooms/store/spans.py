"""Table room_state_span: the state of every room at every point of its line.

A number of the line stands for one state of the room; the state before the first event is number 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.protocol.events import Event, from_stored
from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.redaction import redact_event
from homeserver.protocol.room_versions import RoomVersion
from homeserver.storage.engine import Transaction

OPEN = 2**62
"""`to_line` of a span that has not ended."""

Slot = tuple[str, str]


class Span(NamedTuple):
    room: int
    slot: int
    from_line: int
    to_line: int
    event: int


def close_spans(txn: Transaction, ends: Sequence[tuple[int, int, int]]) -> None:
    """Ends the open span of each (room, slot) before the given line."""
    txn.execute_many(
        """
        UPDATE room_state_span SET to_line = %(line)s
        WHERE room = %(room)s AND slot = %(slot)s AND to_line = %(open)s
        """,
        [{"room": room, "slot": slot, "line": line, "open": OPEN} for room, slot, line in ends],
    )


def insert_spans(txn: Transaction, spans: Sequence[Span]) -> None:
    txn.execute_many(
        """
        INSERT INTO room_state_span (room, slot, from_line, to_line, event)
        VALUES (%(room)s, %(slot)s, %(from_line)s, %(to_line)s, %(event)s)
        """,
        [span._asdict() for span in spans],
    )


def current_events(
    txn: Transaction, room: int, room_id: RoomID, version: RoomVersion, slots: Sequence[Slot]
) -> dict[Slot, Event]:
    """The current state events of the named slots; slots without one are left out."""
    found: dict[Slot, Event] = {}
    for type_, state_key in slots:
        row = txn.row(
            """
            SELECT b.client, b.federation, e.redacted_by FROM room_slot s
            JOIN room_state_span p ON p.room = %(room)s AND p.slot = s.nid AND p.to_line = %(open)s
            JOIN room_event e ON e.nid = p.event
            JOIN room_event_body b ON b.nid = p.event
            WHERE s.type = %(type)s AND s.state_key = %(state_key)s
            """,
            room=room, type=type_, state_key=state_key, open=OPEN,
        )  # fmt: skip
        if row is not None:
            event = from_stored(row[0], row[1], room_id, version)
            found[type_, state_key] = event if row[2] is None else redact_event(event)
    return found


def state_event_nids(txn: Transaction, room: int, line: int, types: Sequence[str] | None = None) -> list[int]:
    """The short ids of the state events at a point of the line; of some types only, if named."""
    # The plus keeps SQLite from the index of beginnings: it would read all spans that ended long ago.
    if types is None:
        rows = txn.rows(
            """
            SELECT event FROM room_state_span
            WHERE room = %(room)s AND to_line > %(line)s AND +from_line <= %(line)s
            """,
            room=room, line=line,
        )  # fmt: skip
    else:
        rows = txn.rows(
            """
            SELECT p.event FROM room_slot s
            JOIN room_state_span p ON p.room = %(room)s AND p.slot = s.nid
            WHERE s.type IN %(types)s AND p.to_line > %(line)s AND +p.from_line <= %(line)s
            """,
            room=room, line=line, types=list(types),
        )  # fmt: skip
    return [nid for (nid,) in rows]


def changed_event_nids(txn: Transaction, room: int, after: int, upto: int) -> list[int]:
    """The state events at line `upto` that were not yet in the state at line `after`."""
    rows = txn.rows(
        """
        SELECT event FROM room_state_span
        WHERE room = %(room)s AND from_line > %(after)s AND from_line <= %(upto)s AND to_line > %(upto)s
        """,
        room=room, after=after, upto=upto,
    )  # fmt: skip
    return [nid for (nid,) in rows]


def slot_event_nid(txn: Transaction, room: int, slot: Slot, line: int) -> int | None:
    """The state event of one slot at a point of the line: one index probe."""
    row = txn.row(
        """
        SELECT p.event FROM room_slot s
        JOIN room_state_span p ON p.room = %(room)s AND p.slot = s.nid
        WHERE s.type = %(type)s AND s.state_key = %(state_key)s
          AND p.from_line <= %(line)s AND p.to_line > %(line)s
        ORDER BY p.from_line DESC
        LIMIT 1
        """,
        room=room, type=slot[0], state_key=slot[1], line=line,
    )  # fmt: skip
    return None if row is None else int(row[0])


class SlotSpan(NamedTuple):
    """One value of a slot, as client JSON, and the stretch of the line in which it held."""

    from_line: int
    to_line: int
    client: bytes


def slot_history(txn: Transaction, room: int, slot: Slot, upto: int) -> list[SlotSpan]:
    """All values that a slot had up to a line, oldest first. Redacted ones as they were sent."""
    rows = txn.rows(
        """
        SELECT p.from_line, p.to_line, b.client FROM room_slot s
        JOIN room_state_span p ON p.room = %(room)s AND p.slot = s.nid
        JOIN room_event_body b ON b.nid = p.event
        WHERE s.type = %(type)s AND s.state_key = %(state_key)s AND p.from_line <= %(upto)s
        ORDER BY p.from_line
        """,
        room=room, type=slot[0], state_key=slot[1], upto=upto,
    )  # fmt: skip
    return [SlotSpan(*row) for row in rows]
