"""What rooms and people are called in notifications; reads room_description, room_summary and room_member."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import decode_json
from homeserver.rooms.store.members import heroes, summary_counts
from homeserver.storage.engine import Transaction

_NOBODY = 0  # no user has this short id


class NamedMembers(NamedTuple):
    """The first members of a room, by user ID, with what they are called; and the number of all."""

    names: Mapping[str, str]
    number: int

    def without(self, user_id: UserID) -> str | None:
        """What a user may call the room. None where at most one other is in it, who is the sender of all.

        https://spec.matrix.org/v1.19/client-server-api/#calculating-the-display-name-for-a-room
        """
        others = [name for member, name in self.names.items() if member != user_id]
        unnamed = self.number - 1 - len(others)
        if len(others) + unnamed < 2 or not others:
            return None
        if unnamed > 0:
            others.append(f"{unnamed} other{'s' if unnamed > 1 else ''}")
        *before, last = others
        return f"{', '.join(before)} and {last}"


class RoomNames(NamedTuple):
    room_id: RoomID
    name: str | None
    alias: str | None
    is_space: bool
    members: NamedMembers | None
    """Of rooms with neither a name nor an alias."""


def names_of_rooms(txn: Transaction, rooms: Collection[int]) -> dict[int, RoomNames]:
    rows = txn.rows(
        """
        SELECT r.nid, r.room_id, d.name, d.canonical_alias, coalesce(d.room_type, '') = 'm.space' FROM room r
        LEFT JOIN room_description d ON d.room = r.nid
        WHERE r.nid IN %(rooms)s
        """,
        rooms=list(rooms),
    )
    members = _named_members(txn, [row[0] for row in rows if not (row[2] or row[3])])
    return {
        nid: RoomNames(RoomID(room_id), name, alias, bool(is_space), members.get(nid))
        for nid, room_id, name, alias, is_space in rows
    }


def _named_members(txn: Transaction, rooms: Sequence[int]) -> dict[int, NamedMembers]:
    first = heroes(txn, rooms, except_user=_NOBODY)
    names = display_names(txn, rooms, {user_id for found in first.values() for user_id in found})
    counts = summary_counts(txn, rooms)
    return {
        room: NamedMembers(
            {user_id: names.get((room, user_id), user_id) for user_id in found}, sum(counts.get(room, ()))
        )
        for room, found in first.items()
    }


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
