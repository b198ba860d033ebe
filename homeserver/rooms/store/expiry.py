"""Table room_expiry: up to which time the messages of rooms have lost their content."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.rooms.store.spans import OPEN
from homeserver.storage.engine import Transaction


class RoomPolicy(NamedTuple):
    """A room with the client JSON of its m.room.retention, if it has one that is not redacted."""

    room: int
    room_id: RoomID
    version: str
    policy: bytes | None


_POLICIES = """
    SELECT r.nid, r.room_id, r.version, CASE WHEN e.redacted_by IS NULL THEN b.client END FROM room r
    LEFT JOIN room_slot s ON s.type = 'm.room.retention' AND s.state_key = ''
    LEFT JOIN room_state_span p ON p.room = r.nid AND p.slot = s.nid AND p.to_line = %(open)s
    LEFT JOIN room_event e ON e.nid = p.event
    LEFT JOIN room_event_body b ON b.nid = p.event
"""


def policies_of(txn: Transaction, rooms: Collection[int]) -> list[RoomPolicy]:
    rows = txn.rows(_POLICIES + " WHERE r.nid IN %(rooms)s", rooms=list(rooms), open=OPEN)
    return [RoomPolicy(*row) for row in rows]


def policies_after(txn: Transaction, room: int, limit: int) -> list[RoomPolicy]:
    """Those of the rooms whose short ids follow one."""
    rows = txn.rows(
        _POLICIES + " WHERE r.nid > %(room)s ORDER BY r.nid LIMIT %(limit)s",
        room=room, limit=limit, open=OPEN,
    )  # fmt: skip
    return [RoomPolicy(*row) for row in rows]


class ExpiredEvent(NamedTuple):
    nid: int
    event_id: EventID
    origin_server_ts: int
    client: bytes
    federation: bytes


def expired_upto(txn: Transaction, room: int) -> int:
    """The time (milliseconds since the epoch) before which the room's messages have no content any more."""
    row = txn.row("SELECT upto FROM room_expiry WHERE room = %(room)s", room=room)
    return 0 if row is None else int(row[0])


def begin_again(txn: Transaction, room: int) -> int:
    """Where to go on: `expired_upto`, or the time of what came late, which is looked at now."""
    txn.execute(
        "UPDATE room_expiry SET upto = late, late = NULL WHERE room = %(room)s AND late IS NOT NULL",
        room=room,
    )
    return expired_upto(txn, room)


def set_expired_upto(txn: Transaction, room: int, upto: int) -> None:
    txn.execute(
        """
        INSERT INTO room_expiry (room, upto) VALUES (%(room)s, %(upto)s)
        ON CONFLICT (room) DO UPDATE SET upto = excluded.upto
        """,
        room=room, upto=upto,
    )  # fmt: skip


def note_late(txn: Transaction, times: Sequence[tuple[int, int]]) -> None:
    """Each is (room, time of an event that came late)."""
    txn.execute_many(
        """
        UPDATE room_expiry SET late = %(time)s
        WHERE room = %(room)s AND upto > %(time)s AND (late IS NULL OR late > %(time)s)
        """,
        [{"room": room, "time": time} for room, time in times],
    )


def expired_messages(
    txn: Transaction, room: int, after: tuple[int, int], before: int, limit: int
) -> list[ExpiredEvent]:
    """The room's oldest messages after one, given by time and short id, and before a time; never its newest event."""
    rows = txn.rows(
        """
        SELECT e.nid, e.event_id, e.origin_server_ts, b.client, b.federation FROM room_event e
        JOIN room_event_body b ON b.nid = e.nid
        WHERE e.room = %(room)s AND e.origin_server_ts >= %(time)s AND e.origin_server_ts < %(before)s
          AND (e.origin_server_ts > %(time)s OR e.nid > %(nid)s) AND e.slot IS NULL
          AND e.position < (SELECT max(n.position) FROM room_event n WHERE n.room = %(room)s)
        ORDER BY e.origin_server_ts, e.nid
        LIMIT %(limit)s
        """,
        room=room, time=after[0], nid=after[1], before=before, limit=limit,
    )  # fmt: skip
    return [ExpiredEvent(*row) for row in rows]


def newest_time(txn: Transaction, room: int) -> int:
    """The time that the room's newest event claims."""
    row = txn.row(
        """
        SELECT origin_server_ts FROM room_event WHERE room = %(room)s AND position IS NOT NULL
        ORDER BY position DESC LIMIT 1
        """,
        room=room,
    )
    return 0 if row is None else int(row[0])
