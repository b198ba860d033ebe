"""Table room_space_child: what is in a space."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.storage.engine import Transaction


class ChildRow(NamedTuple):
    """A room in a space: `event` is the `m.space.child` event, `sort_key` its valid `order`."""

    room: int
    child_id: RoomID
    event: int
    sort_key: str | None
    origin_server_ts: int
    suggested: bool


class Child(NamedTuple):
    """What a row says as far as walks need it, with the child's short id: None where it is not known here."""

    room: int
    nid: int | None
    event: int
    sort_key: str | None
    origin_server_ts: int
    child_id: RoomID


def upsert_children(txn: Transaction, rows: Sequence[ChildRow]) -> None:
    txn.execute_many(
        """
        INSERT INTO room_space_child (room, child_id, event, sort_key, origin_server_ts, suggested)
        VALUES (%(room)s, %(child_id)s, %(event)s, %(sort_key)s, %(origin_server_ts)s, %(suggested)s)
        ON CONFLICT (room, child_id) DO UPDATE SET event = excluded.event, sort_key = excluded.sort_key,
            origin_server_ts = excluded.origin_server_ts, suggested = excluded.suggested
        """,
        [row._asdict() | {"suggested": int(row.suggested)} for row in rows],
    )


def delete_children(txn: Transaction, children: Collection[tuple[int, str]]) -> None:
    """Each is (space, room ID of the child)."""
    txn.execute_many(
        "DELETE FROM room_space_child WHERE room = %(room)s AND child_id = %(child_id)s",
        [{"room": room, "child_id": child_id} for room, child_id in sorted(children)],
    )


def delete_all_children(txn: Transaction, room: int) -> None:
    """Those of one space."""
    txn.execute("DELETE FROM room_space_child WHERE room = %(room)s", room=room)


def children_by_redacted(txn: Transaction, event_ids: Collection[EventID]) -> list[tuple[int, str]]:
    """(space, room ID of the child) that redacted events of the type `m.space.child` made."""
    rows = txn.rows(
        """
        SELECT c.room, c.child_id FROM room_event e
        JOIN room_slot s ON s.nid = e.slot AND s.type = 'm.space.child'
        JOIN room_space_child c ON c.room = e.room AND c.child_id = s.state_key AND c.event = e.nid
        WHERE e.event_id IN %(event_ids)s AND e.redacted_by IS NOT NULL
        """,
        event_ids=list(event_ids),
    )
    return [(room, child_id) for room, child_id in rows]


def children_of(
    txn: Transaction, rooms: Collection[int], *, suggested_only: bool = False
) -> dict[int, list[Child]]:
    """The children of each space, in the order in which clients show them.

    https://spec.matrix.org/v1.19/client-server-api/#ordering-of-children-within-a-space
    """
    rows = txn.rows(
        """
        SELECT c.room, r.nid, c.event, c.sort_key, c.origin_server_ts, c.child_id
        FROM room_space_child c LEFT JOIN room r ON r.room_id = c.child_id
        WHERE c.room IN %(rooms)s AND c.suggested >= %(least)s
        """,
        rooms=list(rooms), least=int(suggested_only),
    )  # fmt: skip
    found: dict[int, list[Child]] = {room: [] for room in rooms}
    for child in map(Child._make, rows):
        found[child.room].append(child)
    for children in found.values():
        children.sort(key=_place)
    return found


def rooms_with_children(txn: Transaction, rooms: Collection[int]) -> set[int]:
    rows = txn.rows("SELECT DISTINCT room FROM room_space_child WHERE room IN %(rooms)s", rooms=list(rooms))
    return {room for (room,) in rows}


def _place(child: Child) -> tuple[bool, str, int, str]:
    return child.sort_key is None, child.sort_key or "", child.origin_server_ts, child.child_id
