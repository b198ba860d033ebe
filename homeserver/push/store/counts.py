"""Counting what a user has not read; reads also ephemeral_receipt, room_member and account_data."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from homeserver.rooms.ignored import ignored_senders
from homeserver.storage.engine import Transaction


class Count(NamedTuple):
    """How many events notify, and how many of them highlight."""

    notify: int = 0
    highlight: int = 0

    def plus(self, other: "Count") -> "Count":
        return Count(self.notify + other.notify, self.highlight + other.highlight)

    def minus(self, other: "Count") -> "Count":
        return Count(self.notify - other.notify, self.highlight - other.highlight)


ByThread = Mapping[str, Count]
"""By 'main' or the event ID of the thread's root; what is missing is zero."""


class Unread(NamedTuple):
    """A user's counts by room. `ignores` says that the events of some users were left out."""

    rooms: Mapping[int, ByThread]
    silent: frozenset[int]
    ignores: bool


# How far a user has read in each thread. Thread '' is that which holds for all: an unthreaded receipt, or the joining.
_MARKS = """
    mark AS MATERIALIZED (
        SELECT room, thread, max(position) AS position FROM (
            SELECT m.room, '' AS thread, m.since AS position FROM room_member m
            WHERE m.user_nid = %(user_nid)s AND m.membership = 'join' AND m.room IN %(rooms)s
            UNION ALL
            SELECT r.room_nid, r.thread, r.event_position FROM ephemeral_receipt r
            WHERE r.user_nid = %(user_nid)s AND r.room_nid IN %(rooms)s
            UNION ALL
            SELECT s.room, s.thread, s.position FROM push_spoken s
            WHERE s.user_nid = %(user_nid)s AND s.room IN %(rooms)s
        ) AS each_mark
        GROUP BY room, thread
    )
"""
_READ_UP_TO = "CASE WHEN own.position > whole.position THEN own.position ELSE whole.position END"

# What the default rules count: how many by now less how many before the first unread one; redacted ones taken off.
# Then what is different for this user.
# Threads and marks are grouped, not joined: databases guess that marks are few, and compare each with each.
_COUNTS = f"""
    WITH {_MARKS},
    thread AS MATERIALIZED (
        SELECT room, thread, max(notified) AS notified, max(highlighted) AS highlighted,
            max(read_up_to) AS read_up_to
        FROM (
            SELECT t.room, t.thread, t.notified, t.highlighted, whole.position AS read_up_to
            FROM mark whole
            JOIN push_thread t ON t.room = whole.room AND t.position > whole.position
            LEFT JOIN push_audience a ON a.room = t.room AND a.user_nid = %(user_nid)s
            WHERE whole.thread = '' AND (a.silent IS NULL OR a.silent = 0)
            UNION ALL
            SELECT own.room, own.thread, NULL, NULL, own.position FROM mark own
        ) AS thread_or_mark
        GROUP BY room, thread
        HAVING count(notified) > 0
    )
    SELECT t.room, t.thread,
        coalesce(later.notified_before, t.notified) - initial.notified_before,
        coalesce(later.highlighted_before, t.highlighted) - initial.highlighted_before
    FROM thread t
    JOIN push_event initial ON initial.position = (
        SELECT min(e.position) FROM push_event e
        WHERE e.room = t.room AND e.thread = t.thread AND e.position > t.read_up_to
    )
    LEFT JOIN push_event later ON later.position = (
        SELECT min(e.position) FROM push_event e
        WHERE e.room = t.room AND e.thread = t.thread AND e.position > %(upto)s
    )
    WHERE initial.position <= %(upto)s
    UNION ALL
    SELECT e.room, e.thread, -1, -e.highlight
    FROM thread t
    JOIN push_event e ON e.room = t.room AND e.thread = t.thread AND e.position > t.read_up_to
        AND e.position <= %(upto)s AND e.redacted = 1
    UNION ALL
    SELECT x.room, x.thread,
        CASE WHEN a.silent = 1 THEN x.notify ELSE x.notify - x.usual_notify END,
        CASE WHEN a.silent = 1 THEN x.highlight ELSE x.highlight - x.usual_highlight END
    FROM mark whole
    JOIN push_exception x ON x.user_nid = %(user_nid)s AND x.room = whole.room AND x.position > whole.position
        AND x.position <= %(upto)s
    LEFT JOIN mark own ON own.room = x.room AND own.thread = x.thread
    LEFT JOIN push_audience a ON a.room = x.room AND a.user_nid = %(user_nid)s
    WHERE whole.thread = '' AND x.position > {_READ_UP_TO}
"""

# What of all that comes from certain users.
_OF_SENDERS = f"""
    WITH {_MARKS}
    SELECT e.room, e.thread, 1, e.highlight
    FROM mark whole
    JOIN push_event e ON e.room = whole.room AND e.position > whole.position AND e.position <= %(upto)s
    LEFT JOIN mark own ON own.room = e.room AND own.thread = e.thread
    LEFT JOIN push_audience a ON a.room = e.room AND a.user_nid = %(user_nid)s
    WHERE whole.thread = '' AND e.position > {_READ_UP_TO} AND e.sender IN %(senders)s AND e.redacted = 0
      AND (a.silent IS NULL OR a.silent = 0)
    UNION ALL
    SELECT x.room, x.thread,
        CASE WHEN a.silent = 1 THEN x.notify ELSE x.notify - x.usual_notify END,
        CASE WHEN a.silent = 1 THEN x.highlight ELSE x.highlight - x.usual_highlight END
    FROM mark whole
    JOIN push_exception x ON x.user_nid = %(user_nid)s AND x.room = whole.room AND x.position > whole.position
        AND x.position <= %(upto)s
    LEFT JOIN mark own ON own.room = x.room AND own.thread = x.thread
    LEFT JOIN push_audience a ON a.room = x.room AND a.user_nid = %(user_nid)s
    WHERE whole.thread = '' AND x.position > {_READ_UP_TO} AND x.sender IN %(senders)s
"""


def unread(txn: Transaction, user_nid: int, rooms: Sequence[int], upto: int) -> Unread:
    """What the user has not read of what came up to a position, in rooms that the user is in."""
    where: dict[str, Any] = {"user_nid": user_nid, "rooms": list(rooms), "upto": upto}
    counts: dict[int, dict[str, Count]] = {room: {} for room in rooms}
    for room, thread, notify, highlight in txn.rows(_COUNTS, **where):
        threads = counts[room]
        threads[thread] = threads.get(thread, Count()).plus(Count(notify, highlight))
    senders = ignored_senders(txn, user_nid)
    if senders:
        for room, thread, notify, highlight in txn.rows(_OF_SENDERS, **where, senders=list(senders)):
            threads = counts[room]
            threads[thread] = threads.get(thread, Count()).minus(Count(notify, highlight))
    return Unread(counts, _silent_rooms(txn, user_nid, rooms), bool(senders))


def _silent_rooms(txn: Transaction, user_nid: int, rooms: Sequence[int]) -> frozenset[int]:
    rows = txn.rows(
        """
        SELECT room FROM push_audience
        WHERE user_nid = %(user_nid)s AND room IN %(rooms)s AND silent = 1
        """,
        user_nid=user_nid, rooms=list(rooms),
    )  # fmt: skip
    return frozenset(room for (room,) in rows)


def read_marks(txn: Transaction, user_nid: int, rooms: Sequence[int]) -> dict[tuple[int, str], int]:
    """How far the user has read, by room and thread; thread '' is that which holds for all threads."""
    rows = txn.rows(
        f"WITH {_MARKS} SELECT room, thread, position FROM mark", user_nid=user_nid, rooms=list(rooms)
    )
    return {(room, thread): position for room, thread, position in rows}


def rooms_read(txn: Transaction, user_nid: int, rooms: Sequence[int], after: int, upto: int) -> list[int]:
    """Of these rooms, those in which the user's own receipts moved at after < position <= upto."""
    rows = txn.rows(
        """
        SELECT DISTINCT room_nid FROM ephemeral_receipt
        WHERE user_nid = %(user_nid)s AND room_nid IN %(rooms)s
          AND position > %(after)s AND position <= %(upto)s
        """,
        user_nid=user_nid, rooms=list(rooms), after=after, upto=upto,
    )  # fmt: skip
    return [room for (room,) in rows]
