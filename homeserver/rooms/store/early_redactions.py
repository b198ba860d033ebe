"""Table room_early_redaction: redactions that came before what they redact."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID
from homeserver.storage.engine import Transaction


class EarlyRedaction(NamedTuple):
    """`redaction` is the event of the short id `nid`, in a room that is given by its own."""

    target: EventID
    redaction: EventID
    nid: int
    room: int


def remember_early(txn: Transaction, redactions: Iterable[tuple[EventID, int]]) -> None:
    """Each is (what it redacts, short id of the redaction)."""
    txn.execute_many(
        """
        INSERT INTO room_early_redaction (target, redaction) VALUES (%(target)s, %(redaction)s)
        ON CONFLICT DO NOTHING
        """,
        [{"target": target, "redaction": redaction} for target, redaction in redactions],
    )


def take_early(txn: Transaction, targets: Collection[EventID]) -> list[EarlyRedaction]:
    """The redactions of events that have come, the first first; they are forgotten."""
    found = txn.rows(
        """
        SELECT x.target, e.event_id, e.nid, e.room FROM room_early_redaction x
        JOIN room_event e ON e.nid = x.redaction
        WHERE x.target IN %(targets)s
        ORDER BY e.nid
        """,
        targets=list(targets),
    )
    if found:
        txn.execute("DELETE FROM room_early_redaction WHERE target IN %(targets)s", targets=list(targets))
    return [
        EarlyRedaction(EventID(target), EventID(event_id), nid, room) for target, event_id, nid, room in found
    ]


def early_in(txn: Transaction, room: int) -> set[tuple[EventID, int]]:
    """Those whose redactions are in a room, as `remember_early` takes them."""
    rows = txn.rows(
        """
        SELECT x.target, x.redaction FROM room_early_redaction x JOIN room_event e ON e.nid = x.redaction
        WHERE e.room = %(room)s
        """,
        room=room,
    )
    return {(EventID(target), nid) for target, nid in rows}


def forget_early_in(txn: Transaction, room: int) -> None:
    """Forgets those whose redactions are in a room."""
    txn.execute(
        """
        DELETE FROM room_early_redaction WHERE redaction IN (
            SELECT x.redaction FROM room_early_redaction x JOIN room_event e ON e.nid = x.redaction
            WHERE e.room = %(room)s
        )
        """,
        room=room,
    )
