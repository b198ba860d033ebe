"""Tables push_event, push_thread, push_exception and push_spoken: what notified, and whom otherwise than most."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.storage.engine import Transaction

_NEVER = 2**62


class UsualRow(NamedTuple):
    """An event that notifies by the default rules. `ts` is in milliseconds, by our own clock."""

    position: int
    room: int
    thread: str
    sender: int
    rule: str
    highlight: bool
    ts: int


class ExceptionRow(NamedTuple):
    """What an event does for one user, and what it usually does. `actions` is the JSON of a list."""

    position: int
    user_nid: int
    room: int
    thread: str
    sender: int
    notify: bool
    highlight: bool
    usual_notify: bool
    usual_highlight: bool
    actions: bytes
    ts: int


class SpokenRow(NamedTuple):
    """Where a user spoke last in a thread."""

    room: int
    user_nid: int
    thread: str
    position: int


def insert_usual(txn: Transaction, rows: Sequence[UsualRow]) -> None:
    """Counts them in their threads; they are newer than all that are there, the oldest first."""
    rooms, threads = {row.room for row in rows}, {row.thread for row in rows}
    found = txn.rows(
        """
        SELECT room, thread, notified, highlighted FROM push_thread
        WHERE room IN %(rooms)s AND thread IN %(threads)s
        """,
        rooms=list(rooms), threads=list(threads),
    )  # fmt: skip
    totals = {(room, thread): (notified, highlighted) for room, thread, notified, highlighted in found}
    last: dict[tuple[int, str], int] = {}
    params = []
    for row in rows:
        key = (row.room, row.thread)
        notified, highlighted = totals.get(key, (0, 0))
        totals[key] = (notified + 1, highlighted + row.highlight)
        last[key] = row.position
        params.append(
            row._asdict()
            | {"highlight": int(row.highlight), "notified": notified, "highlighted": highlighted}
        )
    txn.execute_many(
        """
        INSERT INTO push_event (position, room, thread, sender, rule, highlight,
                                notified_before, highlighted_before, ts)
        VALUES (%(position)s, %(room)s, %(thread)s, %(sender)s, %(rule)s, %(highlight)s,
                %(notified)s, %(highlighted)s, %(ts)s)
        """,
        params,
    )
    txn.execute_many(
        """
        INSERT INTO push_thread (room, thread, notified, highlighted, position)
        VALUES (%(room)s, %(thread)s, %(notified)s, %(highlighted)s, %(position)s)
        ON CONFLICT (room, thread) DO UPDATE SET notified = excluded.notified,
            highlighted = excluded.highlighted, position = excluded.position
        """,
        [
            {
                "room": room,
                "thread": thread,
                "notified": totals[room, thread][0],
                "highlighted": totals[room, thread][1],
                "position": position,
            }
            for (room, thread), position in last.items()
        ],
    )


def insert_exceptions(txn: Transaction, rows: Sequence[ExceptionRow]) -> None:
    flags = ("notify", "highlight", "usual_notify", "usual_highlight")
    txn.execute_many(
        """
        INSERT INTO push_exception (position, user_nid, room, thread, sender, notify, highlight,
                                    usual_notify, usual_highlight, actions, ts)
        VALUES (%(position)s, %(user_nid)s, %(room)s, %(thread)s, %(sender)s, %(notify)s, %(highlight)s,
                %(usual_notify)s, %(usual_highlight)s, %(actions)s, %(ts)s)
        """,
        [row._asdict() | {flag: int(getattr(row, flag)) for flag in flags} for row in rows],
    )


def upsert_spoken(txn: Transaction, rows: Collection[SpokenRow]) -> None:
    """Rows of different users, rooms or threads."""
    txn.execute_many(
        """
        INSERT INTO push_spoken (room, user_nid, thread, position)
        VALUES (%(room)s, %(user_nid)s, %(thread)s, %(position)s)
        ON CONFLICT (room, user_nid, thread) DO UPDATE SET position = excluded.position
        """,
        [row._asdict() for row in rows],
    )


def forget_redacted(txn: Transaction, positions: Sequence[int]) -> None:
    """Events that count for nobody any more."""
    txn.execute("UPDATE push_event SET redacted = 1 WHERE position IN %(at)s", at=list(positions))
    txn.execute("DELETE FROM push_exception WHERE position IN %(at)s", at=list(positions))


def delete_old(txn: Transaction, before_ts: int, limit: int) -> int:
    """Deletes the oldest of each table, as far as they are older than `before_ts`; the most of one table's."""
    return max(
        _delete_oldest(txn, "push_event", before_ts, limit),
        _delete_oldest(txn, "push_exception", before_ts, limit),
    )


def _delete_oldest(txn: Transaction, table: str, before_ts: int, limit: int) -> int:
    # Later positions have later times: the first that is young enough ends the search.
    oldest = txn.rows(f"SELECT position, ts FROM {table} ORDER BY position LIMIT %(limit)s", limit=limit)
    old = [position for position, ts in oldest if ts < before_ts]
    txn.execute(f"DELETE FROM {table} WHERE position IN %(old)s", old=old)
    return len(old)


def delete_without_events(txn: Transaction) -> int:
    """Deletes what has a meaning only for older events than there are; gives the oldest position that is left."""
    oldest: int = _NEVER
    for table in ("push_event", "push_exception"):
        row = txn.row(f"SELECT position FROM {table} ORDER BY position LIMIT 1")
        oldest = min(oldest, _NEVER if row is None else row[0])
    txn.execute("DELETE FROM push_thread WHERE position < %(oldest)s", oldest=oldest)
    txn.execute("DELETE FROM push_spoken WHERE position < %(oldest)s", oldest=oldest)
    return oldest
