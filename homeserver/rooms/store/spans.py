"""Table room_state_span: the state of every room at every point of its line.

A number of the line stands for one state of the room; the state before the first event is number 0.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.protocol.events import Event, from_stored
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.protocol.redaction import redact_event
from homeserver.protocol.room_versions import RoomVersion
from homeserver.rooms.store.events import TIMELINE_COLUMNS, TimelineRow
from homeserver.storage.engine import Transaction

OPEN = 2**62
"""`to_line` of a span that has not ended."""
EVER = -OPEN
"""`from_line` of what holds at the beginning of the line and, until history tells otherwise, before it."""

Slot = tuple[str, str]


class Span(NamedTuple):
    """`event` was the value of `slot` from `from_line` to before `to_line`, which is OPEN at first."""

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


def correct_first_spans(txn: Transaction, room: int, events: Sequence[tuple[int, int]]) -> None:
    """Puts (slot, event) in the place of what was believed to hold from ever."""
    txn.execute_many(
        """
        UPDATE room_state_span SET event = %(event)s
        WHERE room = %(room)s AND slot = %(slot)s AND from_line = %(ever)s
        """,
        [{"room": room, "slot": slot, "event": event, "ever": EVER} for slot, event in events],
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


_STATE = f"""
    SELECT {TIMELINE_COLUMNS} FROM room_state_span p
    JOIN room_event e ON e.nid = p.event
    JOIN room_event_body b ON b.nid = p.event
"""


# The plus keeps planners off the index of from_line: at the newest lines all but a few spans have begun, but only
# those that are wanted have not ended.
_AT_LINE = "p.room = %(room)s AND p.to_line > %(line)s AND +p.from_line <= %(line)s"


def state_rows(txn: Transaction, room: int, line: int) -> list[TimelineRow]:
    """The state events at a point of the line, oldest first."""
    rows = txn.rows(_STATE + f" WHERE {_AT_LINE} ORDER BY e.nid", room=room, line=line)
    return list(map(TimelineRow._make, rows))


def states_before(
    txn: Transaction, events: Sequence[int], except_type: str | None = None
) -> list[TimelineRow]:
    """The state events before each of these events, which are of different rooms; oldest first.

    Without those of one type, if named.
    """
    return _states_of_rooms(txn, "state_before", events, except_type)


def states_after(
    txn: Transaction, events: Sequence[int], except_type: str | None = None
) -> list[TimelineRow]:
    """The same after each of them."""
    return _states_of_rooms(txn, "state_after", events, except_type)


def _states_of_rooms(
    txn: Transaction, line: str, events: Sequence[int], except_type: str | None
) -> list[TimelineRow]:
    if not events:
        return []
    slots = "" if except_type is None else "JOIN room_slot s ON s.nid = p.slot AND s.type <> %(except_type)s"
    # SQLite joins in the written order where it reads CROSS.
    found = txn.rows(
        f"""
        SELECT {TIMELINE_COLUMNS} FROM room_event f
        CROSS JOIN room_state_span p
        {slots}
        JOIN room_event e ON e.nid = p.event
        JOIN room_event_body b ON b.nid = p.event
        WHERE f.nid IN %(events)s AND p.room = f.room AND p.to_line > f.{line} AND +p.from_line <= f.{line}
        ORDER BY e.nid
        """,
        events=list(events), except_type=except_type or "",
    )  # fmt: skip
    return list(map(TimelineRow._make, found))


def state_rows_of_type(txn: Transaction, room: int, line: int, type_: str) -> list[TimelineRow]:
    """Those of one type under whatever keys; costs as much as all state."""
    rows = txn.rows(
        _STATE
        + f"JOIN room_slot s ON s.nid = p.slot WHERE {_AT_LINE} AND s.type = %(type)s ORDER BY e.nid",
        room=room, line=line, type=type_,
    )  # fmt: skip
    return list(map(TimelineRow._make, rows))


def state_rows_except_type(txn: Transaction, room: int, line: int, type_: str) -> list[TimelineRow]:
    """Those of all other types; reads the index of all state, but only the events of these."""
    rows = txn.rows(
        _STATE
        + f"JOIN room_slot s ON s.nid = p.slot WHERE {_AT_LINE} AND s.type <> %(type)s ORDER BY e.nid",
        room=room, line=line, type=type_,
    )  # fmt: skip
    return list(map(TimelineRow._make, rows))


def state_rows_of_slots(
    txn: Transaction, room: int, line: int, types: Sequence[str], state_keys: Sequence[str]
) -> list[TimelineRow]:
    """Those whose type and key are among the given ones: one index probe for each."""
    # SQLite joins in the written order where it reads CROSS.
    rows = txn.rows(
        f"""
        SELECT {TIMELINE_COLUMNS} FROM room_slot s
        CROSS JOIN room_state_span p
        JOIN room_event e ON e.nid = p.event
        JOIN room_event_body b ON b.nid = p.event
        WHERE s.type IN %(types)s AND s.state_key IN %(state_keys)s
          AND p.room = %(room)s AND p.slot = s.nid AND p.from_line <= %(line)s
          AND p.to_line = (
              SELECT min(q.to_line) FROM room_state_span q
              WHERE q.room = %(room)s AND q.slot = s.nid AND q.to_line > %(line)s
          )
        ORDER BY e.nid
        """,
        room=room, line=line, types=list(types), state_keys=list(state_keys),
    )  # fmt: skip
    return list(map(TimelineRow._make, rows))


def changed_state_rows(txn: Transaction, room: int, after: int, upto: int) -> list[TimelineRow]:
    """The state events at line `upto` that were not yet in the state at line `after`, oldest first."""
    rows = txn.rows(
        _STATE
        + """
        WHERE p.room = %(room)s AND p.from_line > %(after)s AND p.from_line <= %(upto)s
          AND +p.to_line > %(upto)s
        ORDER BY e.nid
        """,
        room=room, after=after, upto=upto,
    )  # fmt: skip
    return list(map(TimelineRow._make, rows))


class SlotSpan(NamedTuple):
    """One value of a slot, as client JSON, and the stretch of the line in which it held.

    `position` is that of the event that began it.
    """

    from_line: int
    to_line: int
    position: int
    client: bytes


def slot_history(txn: Transaction, room: int, slot: Slot, upto: int) -> list[SlotSpan]:
    """All values that a slot had up to a line, oldest first. Redacted ones as they were sent."""
    rows = txn.rows(
        """
        SELECT p.from_line, p.to_line, coalesce(e.position, e.nid), b.client FROM room_slot s
        JOIN room_state_span p ON p.room = %(room)s AND p.slot = s.nid
        JOIN room_event e ON e.nid = p.event
        JOIN room_event_body b ON b.nid = p.event
        WHERE s.type = %(type)s AND s.state_key = %(state_key)s AND p.from_line <= %(upto)s
        ORDER BY p.from_line
        """,
        room=room, type=slot[0], state_key=slot[1], upto=upto,
    )  # fmt: skip
    return [SlotSpan(*row) for row in rows]


def slot_histories(
    txn: Transaction, rooms: Collection[int], slots: Sequence[Slot]
) -> dict[tuple[int, Slot], list[SlotSpan]]:
    """All values that the slots had in the rooms, oldest first, by room and slot."""
    found: dict[tuple[int, Slot], list[SlotSpan]] = {(room, slot): [] for room in rooms for slot in slots}
    for slot in slots:
        rows = txn.rows(
            """
            SELECT p.room, p.from_line, p.to_line, coalesce(e.position, e.nid), b.client FROM room_slot s
            CROSS JOIN room_state_span p
            JOIN room_event e ON e.nid = p.event
            JOIN room_event_body b ON b.nid = p.event
            WHERE s.type = %(type)s AND s.state_key = %(state_key)s AND p.room IN %(rooms)s AND p.slot = s.nid
            ORDER BY p.from_line
            """,
            rooms=list(rooms), type=slot[0], state_key=slot[1],
        )  # fmt: skip
        for room, *span in rows:
            found[room, slot].append(SlotSpan(*span))
    return found


def events_at(txn: Transaction, room: int, line: int, slots: Collection[int] | None = None) -> dict[int, int]:
    """The state at a point of the line as short ids, event by slot: of the named slots, or all of it."""
    among = "" if slots is None else "AND p.slot IN %(slots)s"
    rows = txn.rows(
        f"SELECT p.slot, p.event FROM room_state_span p WHERE {_AT_LINE} {among}",
        room=room, line=line, slots=list(slots or ()),
    )  # fmt: skip
    return {slot: event for slot, event in rows}


def slots_changed(txn: Transaction, room: int, after: int, upto: int) -> set[int]:
    """The slots whose values at two points of the line may differ."""
    if after == upto:
        return set()
    rows = txn.rows(
        """
        SELECT slot FROM room_state_span WHERE room = %(room)s AND from_line > %(after)s AND from_line <= %(upto)s
        UNION
        SELECT slot FROM room_state_span WHERE room = %(room)s AND to_line > %(after)s AND to_line <= %(upto)s
        """,
        room=room, after=after, upto=upto,
    )  # fmt: skip
    return {slot for (slot,) in rows}


def slot_names(txn: Transaction, nids: Collection[int]) -> dict[int, Slot]:
    rows = txn.rows("SELECT nid, type, state_key FROM room_slot WHERE nid IN %(nids)s", nids=list(nids))
    return {nid: (type_, state_key) for nid, type_, state_key in rows}


def slot_nids(txn: Transaction, names: Collection[Slot]) -> dict[Slot, int]:
    """Those of the slots that have short ids."""
    keys_of_types: dict[str, list[str]] = {}
    for type_, state_key in names:
        keys_of_types.setdefault(type_, []).append(state_key)
    found: dict[Slot, int] = {}
    for type_, state_keys in keys_of_types.items():
        rows = txn.rows(
            "SELECT state_key, nid FROM room_slot WHERE type = %(type)s AND state_key IN %(keys)s",
            type=type_,
            keys=state_keys,
        )
        found |= {(type_, state_key): nid for state_key, nid in rows}
    return found


def event_id_at(txn: Transaction, room: int, line: int, slot: Slot) -> EventID | None:
    """The event in one slot at a point of the line: an index probe."""
    row = txn.row(
        """
        SELECT e.event_id, p.from_line FROM room_slot s
        JOIN room_state_span p ON p.room = %(room)s AND p.slot = s.nid AND p.to_line > %(line)s
        JOIN room_event e ON e.nid = p.event
        WHERE s.type = %(type)s AND s.state_key = %(state_key)s
        ORDER BY p.to_line
        LIMIT 1
        """,
        room=room, line=line, type=slot[0], state_key=slot[1],
    )  # fmt: skip
    return None if row is None or row[1] > line else EventID(row[0])
