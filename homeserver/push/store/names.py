"""What rooms and people are called in notifications; reads room_description and room_member."""

from collections.abc import Collection
from typing import NamedTuple

from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.json import decode_json
from homeserver.storage.engine import Transaction


class RoomNames(NamedTuple):
    room_id: RoomID
    name: str | None
    alias: str | None
    is_space: bool


def names_of_rooms(txn: Transaction, rooms: Collection[int]) -> dict[int, RoomNames]:
    rows = txn.rows(
        """
        SELECT r.nid, r.room_id, d.name, d.canonical_alias, coalesce(d.room_type, '') = 'm.space' FROM room r
        LEFT JOIN room_description d ON d.room = r.nid
        WHERE r.nid IN %(rooms)s
        """,
        rooms=list(rooms),
    )
    return {row[0]: RoomNames(RoomID(row[1]), row[2], row[3], bool(row[4])) for row in rows}


def display_names(
    txn: Transaction, rooms: Collection[int], user_ids: Collection[str]
) -> dict[tuple[int, str], str]:
    """What users are called in rooms, by room and user ID; those without a name there are left out."""
    rows = txn.rows(
        """
        SELECT m.room, u.user_id, b.client FROM known_user u
        JOIN room_member m ON m.user_nid = u.nid AND m.room IN %(rooms)s
        JOIN room_event_body b ON b.nid = m.event
        WHERE u.user_id IN %(user_ids)s
        """,
        rooms=list(rooms), user_ids=list(user_ids),
    )  # fmt: skip
    names = {}
    for room, user_id, client in rows:
        name = decode_json(bytes(client))["content"].get("displayname")
        if isinstance(name, str) and name:
            names[room, user_id] = name
    return names
