"""Table room: the head of each room, which every event of its timeline moves."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.storage.engine import Row, Transaction


class HeadRow(NamedTuple):
    """`state_line` is the number of the current state; `extremities` are what the next event follows."""

    nid: int
    room_id: RoomID
    version: str
    state_line: int
    depth: int
    extremities: tuple[EventID, ...]


_COLUMNS = "nid, room_id, version, state_line, depth, extremities"


def head_by_room_id(txn: Transaction, room_id: RoomID) -> HeadRow | None:
    row = txn.row(f"SELECT {_COLUMNS} FROM room WHERE room_id = %(room_id)s", room_id=room_id)
    return None if row is None else _head(row)


def heads_by_nid(txn: Transaction, nids: Sequence[int]) -> Mapping[int, HeadRow]:
    rows = txn.rows(f"SELECT {_COLUMNS} FROM room WHERE nid IN %(nids)s", nids=list(nids))
    return {row[0]: _head(row) for row in rows}


def room_ids_of(txn: Transaction, nids: Collection[int]) -> dict[int, RoomID]:
    rows = txn.rows("SELECT nid, room_id FROM room WHERE nid IN %(nids)s", nids=list(nids))
    return {nid: RoomID(room_id) for nid, room_id in rows}


def room_of_event(txn: Transaction, event_id: EventID) -> RoomID | None:
    """None where the event is not here."""
    row = txn.row(
        """
        SELECT r.room_id FROM room_event e JOIN room r ON r.nid = e.room WHERE e.event_id = %(event_id)s
        """,
        event_id=event_id,
    )
    return None if row is None else RoomID(row[0])


def insert_heads(txn: Transaction, heads: Sequence[HeadRow]) -> None:
    txn.execute_many(
        """
        INSERT INTO room (nid, room_id, version, state_line, depth, extremities)
        VALUES (%(nid)s, %(room_id)s, %(version)s, %(state_line)s, %(depth)s, %(extremities)s)
        """,
        [_params(head) for head in heads],
    )


def update_heads(txn: Transaction, heads: Sequence[HeadRow]) -> None:
    txn.execute_many(
        """
        UPDATE room SET state_line = %(state_line)s, depth = %(depth)s, extremities = %(extremities)s
        WHERE nid = %(nid)s
        """,
        [_params(head) for head in heads],
    )


def _head(row: Row) -> HeadRow:
    nid, room_id, version, state_line, depth, extremities = row
    return HeadRow(nid, RoomID(room_id), version, state_line, depth, tuple(msgspec.json.decode(extremities)))


def _params(head: HeadRow) -> dict[str, object]:
    return head._asdict() | {"extremities": msgspec.json.encode(head.extremities).decode()}
