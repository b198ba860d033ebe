"""Tables federation_transaction and federation_staged_event."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID, RoomID, ServerName
from homeserver.storage.engine import Transaction


class StagedEvent(NamedTuple):
    """`received_at` is in ms; `place` is that in its transaction. `pdu` is JSON. What `is_here` came in before."""

    room_id: RoomID
    event_id: EventID
    origin: ServerName
    received_at: int
    place: int
    pdu: bytes
    is_here: bool = False


def answer_to(txn: Transaction, origin: ServerName, txn_id: str) -> bytes | None:
    """What was answered to a transaction, as JSON; None where it was not received yet."""
    row = txn.row(
        "SELECT answer FROM federation_transaction WHERE origin = %(origin)s AND txn_id = %(txn_id)s",
        origin=origin,
        txn_id=txn_id,
    )
    return None if row is None else bytes(row[0])


def insert_transaction(
    txn: Transaction,
    origin: ServerName,
    txn_id: str,
    now_ms: int,
    answer: bytes,
    events: Sequence[StagedEvent],
) -> None:
    txn.execute(
        """
        INSERT INTO federation_transaction (origin, txn_id, received_at, answer)
        VALUES (%(origin)s, %(txn_id)s, %(now_ms)s, %(answer)s)
        ON CONFLICT (origin, txn_id) DO NOTHING
        """,
        origin=origin, txn_id=txn_id, now_ms=now_ms, answer=answer,
    )  # fmt: skip
    # Another server may have sent the same event a moment ago.
    txn.execute_many(
        """
        INSERT INTO federation_staged_event (room_id, event_id, origin, received_at, place, pdu)
        VALUES (%(room_id)s, %(event_id)s, %(origin)s, %(received_at)s, %(place)s, %(pdu)s)
        ON CONFLICT (room_id, event_id) DO NOTHING
        """,
        [event._asdict() for event in events],
    )


def delete_transactions_before(txn: Transaction, ts: int) -> None:
    """`ts` is in milliseconds."""
    txn.execute("DELETE FROM federation_transaction WHERE received_at < %(ts)s", ts=ts)


def first_staged(
    txn: Transaction,
    room_id: RoomID,
    limit: int,
    but: Collection[EventID] = (),
    but_of: Collection[ServerName] = (),
) -> list[StagedEvent]:
    """The events of a room that have waited longest, without some, and without those of some servers."""
    rows = txn.rows(
        """
        SELECT s.room_id, s.event_id, s.origin, s.received_at, s.place, s.pdu,
            EXISTS (SELECT 1 FROM room_event e WHERE e.event_id = s.event_id)
        FROM federation_staged_event s
        WHERE s.room_id = %(room_id)s AND NOT (s.event_id IN %(but)s) AND NOT (s.origin IN %(but_of)s)
        ORDER BY s.received_at, s.place LIMIT %(limit)s
        """,
        room_id=room_id, limit=limit, but=list(but), but_of=list(but_of),
    )  # fmt: skip
    return [StagedEvent(*row) for row in rows]


def delete_staged(txn: Transaction, room_id: RoomID, event_ids: Collection[EventID]) -> None:
    txn.execute(
        "DELETE FROM federation_staged_event WHERE room_id = %(room_id)s AND event_id IN %(event_ids)s",
        room_id=room_id,
        event_ids=list(event_ids),
    )


def rooms_with_staged(txn: Transaction) -> list[RoomID]:
    return [
        RoomID(room_id) for (room_id,) in txn.rows("SELECT DISTINCT room_id FROM federation_staged_event")
    ]
