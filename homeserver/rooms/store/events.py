"""Tables room_event and room_event_body."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID, UserID
from homeserver.storage.engine import Transaction


class Entrance(NamedTuple):
    """The place in the timeline of an event that was beside it. History moves neither the room's line nor its head."""

    nid: int
    position: int | None
    state_before: int
    state_after: int
    replaces: int | None
    on_fork: bool
    is_history: bool = False


class EventRow(NamedTuple):
    """The skeleton of an event. `position` is None for an outlier."""

    nid: int
    event_id: EventID
    room: int
    position: int | None
    type: int
    slot: int | None
    sender: int
    depth: int
    origin_server_ts: int
    state_before: int
    state_after: int
    replaces: int | None
    on_fork: bool = False

    def entrance(self) -> Entrance:
        return Entrance(
            self.nid, self.position, self.state_before, self.state_after, self.replaces, self.on_fork
        )


def insert_events(txn: Transaction, rows: Sequence[EventRow]) -> None:
    """The rooms, types, slots and senders must have their short ids already."""
    txn.execute_many(
        """
        INSERT INTO room_event (nid, event_id, room, position, type, slot, sender, depth, origin_server_ts,
                                state_before, state_after, replaces, on_fork)
        VALUES (%(nid)s, %(event_id)s, %(room)s, %(position)s, %(type)s, %(slot)s, %(sender)s, %(depth)s,
                %(origin_server_ts)s, %(state_before)s, %(state_after)s, %(replaces)s, %(on_fork)s)
        """,
        [row._asdict() | {"on_fork": int(row.on_fork)} for row in rows],
    )


def enter_timeline(txn: Transaction, rows: Sequence[Entrance]) -> None:
    txn.execute_many(
        """
        UPDATE room_event SET position = %(position)s, state_before = %(state_before)s,
            state_after = %(state_after)s, replaces = %(replaces)s, on_fork = %(on_fork)s,
            is_history = %(is_history)s
        WHERE nid = %(nid)s
        """,
        [row._asdict() | {"on_fork": int(row.on_fork), "is_history": int(row.is_history)} for row in rows],
    )


def correct_replaced(
    txn: Transaction, room: int, since: int, events: Sequence[tuple[int, int | None, int]]
) -> None:
    """What stood before events of a slot, from a position on: each is (slot, what was believed, what it was)."""
    txn.execute_many(
        """
        UPDATE room_event SET replaces = %(event)s
        WHERE room = %(room)s AND slot = %(slot)s AND position >= %(since)s
          AND coalesce(replaces, 0) = %(believed)s
        """,
        [
            {"room": room, "slot": slot, "since": since, "believed": believed or 0, "event": event}
            for slot, believed, event in events
        ],
    )


def insert_bodies(txn: Transaction, bodies: Sequence[tuple[int, bytes, bytes]]) -> None:
    """Each is (nid, client JSON, federation JSON)."""
    txn.execute_many(
        "INSERT INTO room_event_body (nid, client, federation) VALUES (%(nid)s, %(client)s, %(federation)s)",
        [{"nid": nid, "client": client, "federation": federation} for nid, client, federation in bodies],
    )


def mark_redacted(txn: Transaction, redactions: Sequence[tuple[int, int]]) -> None:
    """Each is (nid of the redacted event, nid of the redaction). The first redaction of an event stays."""
    txn.execute_many(
        "UPDATE room_event SET redacted_by = %(by)s WHERE nid = %(nid)s AND redacted_by IS NULL",
        [{"nid": nid, "by": by} for nid, by in redactions],
    )


def mark_all_redacted(txn: Transaction, room: int, sender: UserID, by: int, position: int) -> None:
    """All that a user sent before a position, and what has no place in the timeline; never the room's beginning."""
    txn.execute(
        """
        UPDATE room_event SET redacted_by = %(by)s
        WHERE room = %(room)s AND sender = (SELECT nid FROM known_user WHERE user_id = %(sender)s)
          AND redacted_by IS NULL AND coalesce(position, 0) < %(position)s
          AND type NOT IN (SELECT nid FROM room_event_type WHERE type = 'm.room.create')
        """,
        room=room, sender=sender, by=by, position=position,
    )  # fmt: skip


def event_nids(txn: Transaction, event_ids: Sequence[EventID]) -> dict[EventID, int]:
    """The short ids of those events that are known."""
    rows = txn.rows("SELECT event_id, nid FROM room_event WHERE event_id IN %(ids)s", ids=list(event_ids))
    return {EventID(event_id): nid for event_id, nid in rows}


def has_more_events(txn: Transaction, room: int, number: int) -> bool:
    """Whether more than so many events of the room are here, those beside its timeline included."""
    row = txn.row(
        "SELECT 1 FROM room_event WHERE room = %(room)s LIMIT 1 OFFSET %(number)s", room=room, number=number
    )
    return row is not None


class Place(NamedTuple):
    """Where an event stands. `sender` is a user's short id."""

    nid: int
    room: int
    position: int | None
    sender: int
    state_before: int
    state_after: int


def place_of(txn: Transaction, event_id: EventID) -> Place | None:
    """None where the event is not known."""
    row = txn.row(
        """
        SELECT nid, room, position, sender, state_before, state_after FROM room_event
        WHERE event_id = %(event_id)s
        """,
        event_id=event_id,
    )
    return None if row is None else Place(*row)


def positions_of(txn: Transaction, event_ids: Collection[EventID]) -> dict[EventID, tuple[int, int]]:
    """Room and position of those that are in a timeline."""
    rows = txn.rows(
        "SELECT event_id, room, position FROM room_event WHERE event_id IN %(ids)s AND position IS NOT NULL",
        ids=list(event_ids),
    )
    return {EventID(event_id): (room, position) for event_id, room, position in rows}


def positions_before(txn: Transaction, room: int, before: int) -> Iterator[int]:
    """Where the room's events before a position stand, newest first."""
    upto: int | None = before
    while upto is not None:
        rows = txn.rows(
            """
            SELECT position FROM room_event WHERE room = %(room)s AND position < %(upto)s
            ORDER BY position DESC
            LIMIT 100
            """,
            room=room, upto=upto,
        )  # fmt: skip
        yield from (position for (position,) in rows)
        upto = rows[-1][0] if rows else None


def line_at(txn: Transaction, room: int, position: int) -> int:
    """The number on the room's state line after its last event up to `position`; 0 before its first event."""
    row = txn.row(
        """
        SELECT state_after FROM room_event WHERE room = %(room)s AND position <= %(position)s
        ORDER BY position DESC
        LIMIT 1
        """,
        room=room, position=position,
    )  # fmt: skip
    return 0 if row is None else int(row[0])


def first_depth(txn: Transaction, room: int) -> int:
    """The depth of the event that the room's timeline begins with, here; history that was fetched is before it."""
    row = txn.row(
        "SELECT depth FROM room_event WHERE room = %(room)s AND position > 0 ORDER BY position LIMIT 1",
        room=room,
    )
    return 0 if row is None else int(row[0])


class TimelineRow(NamedTuple):
    """An event with its client JSON, as pages of a timeline need it.

    State events may be none of the timeline; then `position` is their short id.
    """

    nid: int
    room: int
    position: int
    client: bytes
    origin_server_ts: int
    state_before: int
    state_after: int
    replaces: int | None
    redacted_by: int | None
    on_fork: int = 0


TIMELINE_COLUMNS = """
    e.nid, e.room, coalesce(e.position, e.nid), b.client, e.origin_server_ts, e.state_before, e.state_after, e.replaces,
    e.redacted_by, e.on_fork
"""
_TIMELINE = f"SELECT {TIMELINE_COLUMNS} FROM room_event e JOIN room_event_body b ON b.nid = e.nid"


def events_backwards(txn: Transaction, room: int, upto: int, after: int, limit: int) -> list[TimelineRow]:
    """Events with after < position <= upto, newest first."""
    rows = txn.rows(
        _TIMELINE
        + """
        WHERE e.room = %(room)s AND e.position <= %(upto)s AND e.position > %(after)s
        ORDER BY e.position DESC
        LIMIT %(limit)s
        """,
        room=room, upto=upto, after=after, limit=limit,
    )  # fmt: skip
    return list(map(TimelineRow._make, rows))


def newest_events(txn: Transaction, rooms: Sequence[int], upto: int, limit: int) -> list[TimelineRow]:
    """The newest events up to a position of many rooms, at most `limit` of each, newest first."""
    if not rooms:
        return []
    # Where the newest events of each room begin is found by its index alone, once for each: hence MATERIALIZED.
    rows = txn.rows(
        f"""
        WITH beginning AS MATERIALIZED (
            SELECT r.nid AS room, coalesce((
                SELECT x.position FROM room_event x WHERE x.room = r.nid AND x.position <= %(upto)s
                ORDER BY x.position DESC LIMIT 1 OFFSET %(limit)s
            ), %(start)s) AS before
            FROM room r WHERE r.nid IN %(rooms)s
        )
        SELECT {TIMELINE_COLUMNS} FROM beginning
        JOIN room_event e ON e.room = beginning.room
            AND e.position > beginning.before AND e.position <= %(upto)s
        JOIN room_event_body b ON b.nid = e.nid
        ORDER BY e.position DESC
        """,
        rooms=list(rooms), upto=upto, limit=limit, start=-(2**62),
    )  # fmt: skip
    return list(map(TimelineRow._make, rows))


def events_forwards(txn: Transaction, room: int, after: int, upto: int, limit: int) -> list[TimelineRow]:
    """Events with after < position <= upto, oldest first."""
    rows = txn.rows(
        _TIMELINE
        + """
        WHERE e.room = %(room)s AND e.position > %(after)s AND e.position <= %(upto)s
        ORDER BY e.position
        LIMIT %(limit)s
        """,
        room=room, upto=upto, after=after, limit=limit,
    )  # fmt: skip
    return list(map(TimelineRow._make, rows))


def events_by_nid(txn: Transaction, nids: Sequence[int]) -> list[TimelineRow]:
    """The named events, in the order of their positions."""
    rows = txn.rows(_TIMELINE + " WHERE e.nid IN %(nids)s ORDER BY e.position", nids=list(nids))
    return list(map(TimelineRow._make, rows))


def event_by_id(txn: Transaction, event_id: EventID) -> TimelineRow | None:
    """None where the event is not known or was refused, or its body is gone."""
    row = txn.row(
        _TIMELINE
        + """
        WHERE e.event_id = %(event_id)s AND NOT EXISTS (SELECT 1 FROM room_refused_event f WHERE f.event = e.nid)
        """,
        event_id=event_id,
    )
    return None if row is None else TimelineRow(*row)


class StoredPdu(NamedTuple):
    """An event as other servers see it, in its two pieces, and whether a check on its receipt rejected it."""

    nid: int
    event_id: EventID
    client: bytes
    federation: bytes
    is_rejected: bool


def stored_pdus(txn: Transaction, room: int, event_ids: Collection[EventID]) -> list[StoredPdu]:
    """Those of the events that are of the room and here with their bodies."""
    rows = txn.rows(
        """
        SELECT e.nid, e.event_id, b.client, b.federation, coalesce(f.soft, 1) = 0 FROM room_event e
        JOIN room_event_body b ON b.nid = e.nid
        LEFT JOIN room_refused_event f ON f.event = e.nid
        WHERE e.room = %(room)s AND e.event_id IN %(ids)s
        """,
        room=room, ids=list(event_ids),
    )  # fmt: skip
    return [StoredPdu(row[0], EventID(row[1]), row[2], row[3], bool(row[4])) for row in rows]


def rooms_of_events(txn: Transaction, event_ids: Collection[EventID]) -> dict[EventID, int]:
    """The rooms of those events that are known."""
    rows = txn.rows("SELECT event_id, room FROM room_event WHERE event_id IN %(ids)s", ids=list(event_ids))
    return {EventID(event_id): room for event_id, room in rows}


def event_ids(txn: Transaction, nids: Collection[int]) -> dict[int, EventID]:
    """By their short ids."""
    rows = txn.rows("SELECT nid, event_id FROM room_event WHERE nid IN %(nids)s", nids=list(nids))
    return {nid: EventID(event_id) for nid, event_id in rows}
