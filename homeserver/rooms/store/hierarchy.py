"""Table room_space_child: what is in a space."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.storage.engine import Row, Transaction


class ChildRow(NamedTuple):
    """A room in a space: `event` is the `m.space.child` event, `sort_key` its valid `order`."""

    room: int
    child_id: RoomID
    event: int
    sort_key: str | None
    origin_server_ts: int
    suggested: bool


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


class Child(NamedTuple):
    """A room in a space, as the `m.space.child` event (short id) tells it.

    `room` is its short id, if it is known here, and `is_parent` says whether it has children itself.
    """

    room_id: RoomID
    event: int
    suggested: bool
    room: int | None
    is_parent: bool


def contents_of(txn: Transaction, spaces: Collection[int]) -> dict[int, list[Child]]:
    """The children of each space, also those that are not known here, in order."""
    found: dict[int, list[Child]] = {space: [] for space in spaces}
    told = f"""
        c.child_id, c.event, c.suggested, r.nid, {_IS_PARENT}
        FROM room_space_child c LEFT JOIN room r ON r.room_id = c.child_id
    """
    for space, _, _, _, _, room_id, event, suggested, room, is_parent in _in_order(txn, told, spaces):
        found[space].append(Child(RoomID(room_id), event, bool(suggested), room, bool(is_parent)))
    return found


class KnownChild(NamedTuple):
    """As in `Child`."""

    room: int
    is_parent: bool


def known_children(txn: Transaction, room_ids: Collection[RoomID]) -> dict[RoomID, KnownChild]:
    """Those of the rooms that are known here."""
    rows = txn.rows(
        f"SELECT r.room_id, r.nid, {_IS_PARENT} FROM room r WHERE r.room_id IN %(ids)s", ids=list(room_ids)
    )
    return {RoomID(room_id): KnownChild(room, bool(is_parent)) for room_id, room, is_parent in rows}


_IS_PARENT = "EXISTS (SELECT 1 FROM room_space_child x WHERE x.room = r.nid)"


def children_of(
    txn: Transaction, rooms: Collection[int], *, suggested_only: bool = False
) -> dict[int, list[int]]:
    """The children of each space that are known here (short ids)."""
    found: dict[int, list[int]] = {room: [] for room in rooms}
    known = "r.nid FROM room_space_child c JOIN room r ON r.room_id = c.child_id"
    for room, _, _, _, _, child in _in_order(txn, known, rooms, suggested_only=suggested_only):
        found[room].append(child)
    return found


def child_events(
    txn: Transaction, rooms: Collection[int], *, suggested_only: bool = False
) -> dict[int, list[int]]:
    """The `m.space.child` events of each space, also of children that are not known here."""
    found: dict[int, list[int]] = {room: [] for room in rooms}
    told = "c.event FROM room_space_child c"
    for room, _, _, _, _, event in _in_order(txn, told, rooms, suggested_only=suggested_only):
        found[room].append(event)
    return found


def _in_order(
    txn: Transaction, what: str, rooms: Collection[int], *, suggested_only: bool = False
) -> list[Row]:
    """By space, then in the order in which clients show its children. What a row is sorted by comes first in it.

    https://spec.matrix.org/v1.19/client-server-api/#ordering-of-children-within-a-space
    """
    order = "c.room, c.sort_key IS NULL, coalesce(c.sort_key, ''), c.origin_server_ts, c.child_id"
    # Sorted here, where text is compared by code points, whatever the collation of the database.
    return sorted(
        txn.rows(
            f"SELECT {order}, {what} WHERE c.room IN %(rooms)s AND c.suggested >= %(least)s",
            rooms=list(rooms),
            least=int(suggested_only),
        )
    )
