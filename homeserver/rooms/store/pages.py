"""Pages of a room's timeline, each read by one statement with all that is asked of its events."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from homeserver.rooms.store.events import TIMELINE_COLUMNS, TimelineRow
from homeserver.storage.engine import Transaction


class Author(NamedTuple):
    """Who is told by which transaction IDs events were made: a user on a device, by their short ids."""

    user: int
    device: int | None


class PageRows(NamedTuple):
    """`transactions` has the transaction IDs by which the author made some of the events, `parents` are those that
    have children; both by short ids. `has_gaps` says that something is known to be missing in the room."""

    rows: list[TimelineRow]
    transactions: Mapping[int, str]
    parents: Collection[int]
    has_gaps: bool


def page_backwards(
    txn: Transaction, room: int, author: Author, upto: int, after: int, limit: int
) -> PageRows:
    """Events with after < position <= upto, newest first."""
    return _page(txn, room, author, upto, after, limit, "DESC")


def page_forwards(txn: Transaction, room: int, author: Author, upto: int, after: int, limit: int) -> PageRows:
    """Events with after < position <= upto, oldest first."""
    return _page(txn, room, author, upto, after, limit, "ASC")


def _page(
    txn: Transaction, room: int, author: Author, upto: int, after: int, limit: int, order: str
) -> PageRows:
    rows = txn.rows(
        f"""
        SELECT (SELECT count(*) FROM room_missing_event WHERE room = %(room)s),
            CASE WHEN e.sender = %(user)s THEN (
                SELECT t.txn_id FROM room_transaction t WHERE t.event_id = e.event_id AND t.device = %(device)s
            ) END,
            e.slot IS NULL AND EXISTS (SELECT 1 FROM room_relation_sender s WHERE s.parent = e.event_id),
            {TIMELINE_COLUMNS}
        FROM room_event e JOIN room_event_body b ON b.nid = e.nid
        WHERE e.room = %(room)s AND e.position <= %(upto)s AND e.position > %(after)s
        ORDER BY e.position {order}
        LIMIT %(limit)s
        """,
        room=room, user=author.user, device=author.device, upto=upto, after=after, limit=limit,
    )  # fmt: skip
    return PageRows(
        [TimelineRow._make(row[3:]) for row in rows],
        {row[3]: row[1] for row in rows if row[1] is not None},
        {row[3] for row in rows if row[2]},
        # An empty page may be one because of what is missing.
        not rows or bool(rows[0][0]),
    )
