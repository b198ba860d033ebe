"""The timeline of a room with the edges between its events; reads tables of rooms."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from federation.resident.stored import StoredEvent
from federation.resident.visibility import Sighted
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.packed_half import unpack
from homeserver.storage.engine import Transaction

_NEWEST = 2**62


class Row(NamedTuple):
    event_id: EventID
    position: int
    depth: int
    prev_events: Sequence[EventID]
    sighted: Sighted
    stored: StoredEvent


def _prev_events(federation: bytes) -> list[EventID]:
    # In old room versions, pairs of IDs and hashes.
    return [EventID(one if isinstance(one, str) else one[0]) for one in unpack(federation)["prev_events"]]


def rows_upto(txn: Transaction, room: int, upto: int, limit: int) -> list[Row]:
    """The newest events of the timeline up to a position, newest first."""
    found = txn.rows(
        """
        SELECT e.event_id, e.position, e.depth, e.nid, e.state_before, e.state_after, e.on_fork, e.redacted_by,
               b.client, b.federation
        FROM room_event e JOIN room_event_body b ON b.nid = e.nid
        WHERE e.room = %(room)s AND e.position <= %(upto)s
        ORDER BY e.position DESC
        LIMIT %(limit)s
        """,
        room=room, upto=upto, limit=limit,
    )  # fmt: skip
    return [
        Row(
            EventID(event_id),
            position,
            depth,
            _prev_events(federation),
            Sighted(nid, before, after, on_fork),
            StoredEvent(nid, client, federation, redacted_by),
        )
        for event_id, position, depth, nid, before, after, on_fork, redacted_by, client, federation in found
    ]


def newest_of(txn: Transaction, room: int, event_ids: Collection[EventID]) -> int | None:
    """A position up to which all of the events of the room are that are in its timeline; None if nothing is here."""
    rows = txn.rows(
        "SELECT position FROM room_event WHERE room = %(room)s AND event_id IN %(ids)s",
        room=room,
        ids=list(event_ids),
    )
    # Where those stand that are beside it, nobody knows.
    return max((_NEWEST if position is None else position for (position,) in rows), default=None)


def soft_failed(
    txn: Transaction, room: int, event_ids: Collection[EventID]
) -> dict[EventID, Sequence[EventID]]:
    """Those of the events that the room goes on behind although they are in no timeline, with what they follow."""
    rows = txn.rows(
        """
        SELECT e.event_id, b.federation FROM room_event e
        JOIN room_refused_event f ON f.event = e.nid AND f.soft = 1
        JOIN room_event_body b ON b.nid = e.nid
        WHERE e.room = %(room)s AND e.event_id IN %(ids)s AND e.position IS NULL
        """,
        room=room, ids=list(event_ids),
    )  # fmt: skip
    return {EventID(event_id): _prev_events(federation) for event_id, federation in rows}


class Known(NamedTuple):
    """An event that is here and was not rejected, in the timeline or beside it."""

    is_placed: bool
    sighted: Sighted
    stored: StoredEvent


def known_event(txn: Transaction, room: int, event_id: EventID) -> Known | None:
    """One event of the room; None where it is not here, or was rejected."""
    row = txn.row(
        """
        SELECT e.position IS NOT NULL, e.nid, e.state_before, e.state_after, e.on_fork, e.redacted_by,
               b.client, b.federation
        FROM room_event e JOIN room_event_body b ON b.nid = e.nid
        WHERE e.room = %(room)s AND e.event_id = %(event_id)s AND NOT EXISTS (
            SELECT 1 FROM room_refused_event f WHERE f.event = e.nid AND f.soft = 0
        )
        """,
        room=room, event_id=event_id,
    )  # fmt: skip
    if row is None:
        return None
    is_placed, nid, before, after, on_fork, redacted_by, client, federation = row
    return Known(
        bool(is_placed),
        Sighted(nid, before, after, on_fork),
        StoredEvent(nid, client, federation, redacted_by),
    )


class Place(NamedTuple):
    event_id: EventID
    origin_server_ts: int
    sighted: Sighted


def nearest_places(
    txn: Transaction, room: int, timestamp: int, *, backwards: bool, limit: int
) -> list[Place]:
    """Events of the timeline at a time in ms or on one side of it, the nearest first."""
    side, order = ("<=", "DESC") if backwards else (">=", "")
    rows = txn.rows(
        f"""
        SELECT event_id, origin_server_ts, nid, state_before, state_after, on_fork FROM room_event
        WHERE room = %(room)s AND origin_server_ts {side} %(timestamp)s AND position IS NOT NULL
        ORDER BY origin_server_ts {order}, position {order}
        LIMIT %(limit)s
        """,
        room=room, timestamp=timestamp, limit=limit,
    )  # fmt: skip
    return [Place(EventID(event_id), ts, Sighted(*lines)) for event_id, ts, *lines in rows]
