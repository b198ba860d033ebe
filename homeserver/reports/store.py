"""Table report."""

from typing import Literal, NamedTuple

from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.storage.engine import Row, Transaction

Kind = Literal["event", "room", "user"]

_NUMBER_OF_KIND: dict[Kind, int] = {"event": 1, "room": 2, "user": 3}
_KIND_OF_NUMBER = {number: kind for kind, number in _NUMBER_OF_KIND.items()}


class NewReport(NamedTuple):
    """What is told: of an event with its room, of a room, or of a user. Users and rooms are short ids."""

    kind: Kind
    reporter: int
    reason: str | None
    received_at: int
    room: int | None = None
    event_id: EventID | None = None
    target: int | None = None
    score: int | None = None


class Report(NamedTuple):
    """A stored report. `received_at` is in milliseconds; `score` is what older clients send, -100 to 0."""

    id: int
    kind: Kind
    reporter: UserID
    reason: str | None
    received_at: int
    room_id: RoomID | None
    event_id: EventID | None
    target: UserID | None
    score: int | None


class Wanted(NamedTuple):
    """Which reports: of one kind, and only those by a user or of a room where these (short ids) are named."""

    kind: Kind
    reporter: int | None = None
    room: int | None = None


_COLUMNS = """
    SELECT p.id, p.kind, u.user_id, p.reason, p.received_at, r.room_id, p.event_id, t.user_id, p.score
    FROM report p
    JOIN known_user u ON u.nid = p.reporter
    LEFT JOIN room r ON r.nid = p.room
    LEFT JOIN known_user t ON t.nid = p.target
"""
# Casts, because PostgreSQL cannot tell the type of a NULL.
_MATCHES = """
    WHERE p.kind = %(kind)s
      AND (CAST(%(reporter)s AS BIGINT) IS NULL OR p.reporter = %(reporter)s)
      AND (CAST(%(room)s AS BIGINT) IS NULL OR p.room = %(room)s)
"""


def insert_report(txn: Transaction, report: NewReport) -> int:
    """The report's ID, greater than all before."""
    row = txn.row(
        """
        INSERT INTO report (kind, reporter, reason, received_at, room, event_id, target, score)
        VALUES (%(kind)s, %(reporter)s, %(reason)s, %(received_at)s, %(room)s, %(event_id)s, %(target)s,
                %(score)s)
        RETURNING id
        """,
        **report._asdict() | {"kind": _NUMBER_OF_KIND[report.kind]},
    )
    assert row is not None, "an insert returns its row"
    return int(row[0])


def report_by_id(txn: Transaction, kind: Kind, report_id: int) -> Report | None:
    row = txn.row(
        _COLUMNS + " WHERE p.id = %(id)s AND p.kind = %(kind)s",
        id=report_id, kind=_NUMBER_OF_KIND[kind],
    )  # fmt: skip
    return None if row is None else _report(row)


def list_reports(
    txn: Transaction, wanted: Wanted, offset: int, limit: int, *, newest_first: bool
) -> tuple[list[Report], int]:
    """A page of reports, and how many there are in all."""
    params = wanted._asdict() | {"kind": _NUMBER_OF_KIND[wanted.kind]}
    total = txn.row("SELECT count(*) FROM report p" + _MATCHES, **params)
    assert total is not None, "a count is a row"
    order = "DESC" if newest_first else "ASC"
    rows = txn.rows(
        f"{_COLUMNS} {_MATCHES} ORDER BY p.id {order} LIMIT %(limit)s OFFSET %(offset)s",
        **params, limit=limit, offset=offset,
    )  # fmt: skip
    return [_report(row) for row in rows], total[0]


def delete_report(txn: Transaction, kind: Kind, report_id: int) -> bool:
    """Whether there was such a report."""
    return bool(
        txn.execute(
            "DELETE FROM report WHERE id = %(id)s AND kind = %(kind)s",
            id=report_id,
            kind=_NUMBER_OF_KIND[kind],
        )
    )


def delete_reports_before(txn: Transaction, received_at: int) -> None:
    txn.execute("DELETE FROM report WHERE received_at < %(received_at)s", received_at=received_at)


def _report(row: Row) -> Report:
    id_, kind, reporter, reason, received_at, room_id, event_id, target, score = row
    return Report(
        id=id_,
        kind=_KIND_OF_NUMBER[kind],
        reporter=UserID(reporter),
        reason=reason,
        received_at=received_at,
        room_id=None if room_id is None else RoomID(room_id),
        event_id=None if event_id is None else EventID(event_id),
        target=None if target is None else UserID(target),
        score=score,
    )
