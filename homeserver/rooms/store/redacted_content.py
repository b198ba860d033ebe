"""Table room_redacted_content: redacted events whose content is still stored."""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.storage.engine import Transaction


def begin_retention(txn: Transaction, redactions: Sequence[tuple[EventID, int]], now_ms: int) -> None:
    """Each is (what it redacts, nid of the redaction); those that do not count are passed over."""
    txn.execute_many(
        """
        INSERT INTO room_redacted_content (event, redacted_at)
        SELECT nid, %(now_ms)s FROM room_event WHERE event_id = %(event_id)s AND redacted_by = %(by)s
        ON CONFLICT (event) DO NOTHING
        """,
        [{"event_id": event_id, "by": by, "now_ms": now_ms} for event_id, by in redactions],
    )


def begin_retention_of_late(txn: Transaction, nids: Sequence[int], now_ms: int) -> None:
    """For events that came after their redactions, if there were any."""
    txn.execute(
        """
        INSERT INTO room_redacted_content (event, redacted_at)
        SELECT nid, %(now_ms)s FROM room_event WHERE nid IN %(nids)s AND redacted_by IS NOT NULL
        ON CONFLICT (event) DO NOTHING
        """,
        nids=list(nids), now_ms=now_ms,
    )  # fmt: skip


def retain_again(txn: Transaction, room: int, now_ms: int) -> None:
    """Makes the rows of a room those of its redacted events; the new ones begin now."""
    txn.execute(
        """
        DELETE FROM room_redacted_content WHERE event IN (
            SELECT nid FROM room_event WHERE room = %(room)s AND redacted_by IS NULL
        )
        """,
        room=room,
    )
    # Content that was dropped is dropped once more, which changes nothing.
    txn.execute(
        """
        INSERT INTO room_redacted_content (event, redacted_at)
        SELECT nid, %(now_ms)s FROM room_event WHERE room = %(room)s AND redacted_by IS NOT NULL
        ON CONFLICT (event) DO NOTHING
        """,
        room=room, now_ms=now_ms,
    )  # fmt: skip


class RetainedEvent(NamedTuple):
    nid: int
    event_id: EventID
    room_id: RoomID
    version: str
    client: bytes
    federation: bytes


def retained_events(txn: Transaction, before_ms: int, limit: int) -> list[RetainedEvent]:
    """Those redacted before a time, in milliseconds since the epoch, the oldest redactions first."""
    rows = txn.rows(
        """
        SELECT e.nid, e.event_id, r.room_id, r.version, b.client, b.federation
        FROM room_redacted_content c
        JOIN room_event e ON e.nid = c.event
        JOIN room r ON r.nid = e.room
        JOIN room_event_body b ON b.nid = c.event
        WHERE c.redacted_at < %(before_ms)s
        ORDER BY c.redacted_at, c.event
        LIMIT %(limit)s
        """,
        before_ms=before_ms, limit=limit,
    )  # fmt: skip
    return [RetainedEvent(*row) for row in rows]


def replace_bodies(txn: Transaction, bodies: Sequence[tuple[int, bytes, bytes]]) -> None:
    """Each is (nid, client JSON, federation JSON)."""
    txn.execute_many(
        "UPDATE room_event_body SET client = %(client)s, federation = %(federation)s WHERE nid = %(nid)s",
        [{"nid": nid, "client": client, "federation": federation} for nid, client, federation in bodies],
    )


def end_retention(txn: Transaction, nids: Sequence[int]) -> None:
    txn.execute("DELETE FROM room_redacted_content WHERE event IN %(nids)s", nids=list(nids))


def retained_in(txn: Transaction, room: int) -> set[int]:
    """The short ids of a room's redacted events whose content is still stored."""
    rows = txn.rows(
        """
        SELECT c.event FROM room_event e JOIN room_redacted_content c ON c.event = e.nid
        WHERE e.room = %(room)s AND e.redacted_by IS NOT NULL
        """,
        room=room,
    )
    return {nid for (nid,) in rows}
