"""Tables room_description and room_guests_leaving: what rooms say of themselves, and where guests must go."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.protocol.json import decode_json, encode_json
from homeserver.storage.engine import Transaction


class Description(NamedTuple):
    """What a room says of itself to those who are not in it.

    `allowed` are the rooms whose members may join; `words` is what a search looks at, in folded case.
    """

    room: int
    name: str | None
    topic: str | None
    avatar_url: str | None
    canonical_alias: str | None
    join_rule: str
    allowed: tuple[RoomID, ...]
    guest_can_join: bool
    world_readable: bool
    room_type: str | None
    encryption: str | None
    words: str


class Described(NamedTuple):
    """A room's description with what else is told of it. `joined` is the number of its members."""

    room_id: RoomID
    version: str
    joined: int
    says: Description


_COLUMNS = Description._fields
_NAMES = ", ".join(_COLUMNS)
_VALUES = ", ".join(f"%({column})s" for column in _COLUMNS)
_UPDATES = ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS if column != "room")


def upsert_descriptions(txn: Transaction, descriptions: Sequence[Description]) -> None:
    txn.execute_many(
        f"INSERT INTO room_description ({_NAMES}) VALUES ({_VALUES}) ON CONFLICT (room) DO UPDATE SET {_UPDATES}",
        [
            description._asdict()
            | {
                "allowed": encode_json(description.allowed).decode(),
                "guest_can_join": int(description.guest_can_join),
                "world_readable": int(description.world_readable),
            }
            for description in descriptions
        ],
    )


def delete_description(txn: Transaction, room: int) -> None:
    txn.execute("DELETE FROM room_description WHERE room = %(room)s", room=room)


def descriptions_of(txn: Transaction, rooms: Collection[int]) -> dict[int, Described]:
    """What the named rooms (short ids) say; those that nothing is known of are left out."""
    columns = ", ".join(f"d.{column}" for column in _COLUMNS)
    rows = txn.rows(
        f"""
        SELECT r.room_id, r.version, coalesce(s.joined, 0), {columns} FROM room_description d
        JOIN room r ON r.nid = d.room
        LEFT JOIN room_summary s ON s.room = d.room
        WHERE d.room IN %(rooms)s
        """,
        rooms=list(rooms),
    )
    found = {}
    for room_id, version, joined, *values in rows:
        says = Description(*values)
        says = says._replace(
            allowed=tuple(map(RoomID, decode_json(values[6]))),
            guest_can_join=bool(says.guest_can_join),
            world_readable=bool(says.world_readable),
        )
        found[says.room] = Described(RoomID(room_id), version, joined, says)
    return found


def rooms_open_to_guests(txn: Transaction, rooms: Collection[int]) -> set[int]:
    """Those of the rooms that guests could join so far."""
    rows = txn.rows(
        "SELECT room FROM room_description WHERE room IN %(rooms)s AND guest_can_join = 1", rooms=list(rooms)
    )
    return {room for (room,) in rows}


def rooms_described_by(
    txn: Transaction, event_ids: Collection[EventID], types: Collection[str]
) -> list[tuple[int, RoomID, str]]:
    """(short id, ID, version) of the rooms to whose state the events belong, or did, if they are of the types."""
    rows = txn.rows(
        """
        SELECT DISTINCT r.nid, r.room_id, r.version FROM room_event e
        JOIN room_slot s ON s.nid = e.slot
        JOIN room r ON r.nid = e.room
        WHERE e.event_id IN %(event_ids)s AND s.type IN %(types)s
        """,
        event_ids=list(event_ids), types=list(types),
    )  # fmt: skip
    return [(nid, RoomID(room_id), version) for nid, room_id, version in rows]


def let_guests_leave(txn: Transaction, rooms: Collection[int]) -> None:
    """Notes that guests may no longer be in the rooms."""
    txn.execute_many(
        "INSERT INTO room_guests_leaving (room) VALUES (%(room)s) ON CONFLICT DO NOTHING",
        [{"room": room} for room in sorted(rooms)],
    )


def leaving_guests(txn: Transaction) -> dict[tuple[int, RoomID], list[UserID]]:
    """By room, the guests who must leave it; none where all have left, or guests may be there again."""
    rooms = txn.rows("SELECT g.room, r.room_id FROM room_guests_leaving g JOIN room r ON r.nid = g.room")
    rows = txn.rows(
        """
        SELECT g.room, u.user_id FROM room_guests_leaving g
        JOIN room_description d ON d.room = g.room AND d.guest_can_join = 0
        JOIN room_member m ON m.room = g.room AND m.membership = 'join'
        JOIN account a ON a.user_nid = m.user_nid AND a.is_guest = 1
        JOIN known_user u ON u.nid = m.user_nid
        """
    )
    guests: dict[int, list[UserID]] = {room: [] for room, _ in rooms}
    for room, user_id in rows:
        guests[room].append(UserID(user_id))
    return {(room, RoomID(room_id)): guests[room] for room, room_id in rooms}


def guests_have_left(txn: Transaction, room: int) -> None:
    txn.execute("DELETE FROM room_guests_leaving WHERE room = %(room)s", room=room)
