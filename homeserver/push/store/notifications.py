"""The events that a user was notified of; reads also room_event, room_member and what `counts` reads."""

from collections.abc import Collection
from typing import NamedTuple

from homeserver.protocol.identifiers import RoomID
from homeserver.storage.engine import Transaction

_EVER = 2**62


class NotifiedRow(NamedTuple):
    """`actions` is JSON; where it is None, those of the user's rule `rule` apply. `ts` is in milliseconds."""

    position: int
    nid: int
    room: int
    room_id: RoomID
    thread: str
    rule: str
    actions: bytes | None
    ts: int


class Stretch(NamedTuple):
    """Positions with after < position < before, in the order in which they are wanted, at most `limit` of them."""

    after: int = -_EVER
    before: int = _EVER
    limit: int = 50
    newest_first: bool = True


# Each room's part is found by its index, and holds no more than is wanted of all together.
_USUAL = """
    WITH part AS MATERIALIZED (
        SELECT m.room, m.since, coalesce((
            SELECT e.position FROM push_event e WHERE e.room = m.room AND {wanted}
            ORDER BY e.position {order} LIMIT 1 OFFSET %(limit)s
        ), %(end)s) AS ending
        FROM room_member m
        LEFT JOIN push_audience a ON a.room = m.room AND a.user_nid = m.user_nid
        WHERE m.user_nid = %(user_nid)s AND m.membership = 'join' AND (a.silent IS NULL OR a.silent = 0)
    )
    SELECT e.position, s.nid, e.room, r.room_id, e.thread, e.rule, NULL, e.ts
    FROM part m
    JOIN push_event e ON e.room = m.room AND e.position {until} m.ending AND {wanted}
    JOIN room_event s ON s.room = e.room AND s.position = e.position
    JOIN room r ON r.nid = e.room
    LEFT JOIN push_exception x ON x.position = e.position AND x.user_nid = %(user_nid)s
    WHERE x.position IS NULL
    ORDER BY e.position {order}
    LIMIT %(limit)s
"""
_WANTED = """
    e.position > %(after)s AND e.position < %(before)s AND e.position > m.since AND e.redacted = 0
    AND e.sender <> %(user_nid)s AND NOT (e.sender IN %(ignored)s)
"""
_EXCEPTIONS = """
    SELECT x.position, s.nid, x.room, r.room_id, x.thread, '', x.actions, x.ts
    FROM push_exception x
    JOIN room_event s ON s.room = x.room AND s.position = x.position
    JOIN room_member m ON m.room = x.room AND m.user_nid = x.user_nid
    JOIN room r ON r.nid = x.room
    WHERE x.user_nid = %(user_nid)s AND x.notify = 1 AND x.position > %(after)s AND x.position < %(before)s
      AND ((m.membership = 'join' AND x.position > m.since)
        OR (m.membership = 'invite' AND x.position = m.position))
      AND NOT (x.sender IN %(ignored)s)
      {highlights}
    ORDER BY x.position {order}
    LIMIT %(limit)s
"""


def notified(
    txn: Transaction, user_nid: int, ignored: Collection[int], stretch: Stretch, *, highlights: bool = False
) -> list[NotifiedRow]:
    """What notified the user in the rooms that the user is in, and invitations; only `highlights` on demand."""
    order, until = ("DESC", ">=") if stretch.newest_first else ("ASC", "<=")
    where = {
        "user_nid": user_nid,
        "ignored": list(ignored),
        "after": stretch.after,
        "before": stretch.before,
        "limit": stretch.limit,
    }
    wanted = _WANTED + (" AND e.highlight = 1" if highlights else "")
    rows = txn.rows(
        _USUAL.format(order=order, until=until, wanted=wanted),
        **where,
        end=-_EVER if stretch.newest_first else _EVER,
    )
    highlighted = "AND x.highlight = 1" if highlights else ""
    rows += txn.rows(_EXCEPTIONS.format(order=order, highlights=highlighted), **where)
    found = sorted((NotifiedRow(*row) for row in rows), reverse=stretch.newest_first)
    return found[: stretch.limit]
