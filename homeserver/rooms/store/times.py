"""Events of a room by the time that they claim; reads table room_event."""

from homeserver.rooms.store.events import TIMELINE_COLUMNS, TimelineRow
from homeserver.storage.engine import Transaction


def events_by_time(
    txn: Transaction, room: int, timestamp: int, *, backwards: bool, limit: int, offset: int
) -> list[TimelineRow]:
    """Events of the timeline at a time (milliseconds since the epoch) or before it, or after it; the nearest first."""
    side, order = ("<=", "DESC") if backwards else (">=", "")
    rows = txn.rows(
        f"""
        SELECT {TIMELINE_COLUMNS} FROM room_event e JOIN room_event_body b ON b.nid = e.nid
        WHERE e.room = %(room)s AND e.origin_server_ts {side} %(timestamp)s AND e.position IS NOT NULL
        ORDER BY e.origin_server_ts {order}, e.position {order}
        LIMIT %(limit)s OFFSET %(offset)s
        """,
        room=room, timestamp=timestamp, limit=limit, offset=offset,
    )  # fmt: skip
    return [TimelineRow(*row) for row in rows]
