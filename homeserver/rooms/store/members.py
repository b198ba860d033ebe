"""Tables room_member and room_summary: who is in which room now."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.storage.engine import Row, Transaction


class MemberRow(NamedTuple):
    """Current membership of one user in one room.

    `position` is that of the newest member event; `since` that of the event that began this membership (a
    change of profile does not begin a new one).
    """

    room: int
    room_id: RoomID
    user_nid: int
    membership: str
    event: int
    position: int
    since: int
    forgotten: bool = False


_HEROES = 5
# The index of room, membership and since makes this cost the same in rooms of any size.
_FIRST = """
    WITH ending AS MATERIALIZED (
        SELECT r.nid AS room, k.membership, coalesce((
            SELECT x.since FROM room_member x WHERE x.room = r.nid AND x.membership = k.membership
            ORDER BY x.since LIMIT 1 OFFSET %(most)s
        ), %(never)s) AS last
        FROM room r CROSS JOIN (SELECT %(one)s AS membership UNION ALL SELECT %(other)s) AS k
        WHERE r.nid IN %(rooms)s
    )
    SELECT m.room, m.user_nid, u.user_id, m.since FROM ending
    JOIN room_member m ON m.room = ending.room AND m.membership = ending.membership AND m.since <= ending.last
    JOIN known_user u ON u.nid = m.user_nid
"""
_SELECT = """
    SELECT m.room, r.room_id, m.user_nid, m.membership, m.event, m.position, m.since, m.forgotten
    FROM room_member m JOIN room r ON r.nid = m.room
"""


def upsert_members(txn: Transaction, rows: Sequence[MemberRow]) -> None:
    txn.execute_many(
        """
        INSERT INTO room_member (room, user_nid, membership, event, position, since, forgotten)
        VALUES (%(room)s, %(user_nid)s, %(membership)s, %(event)s, %(position)s, %(since)s, %(forgotten)s)
        ON CONFLICT (room, user_nid) DO UPDATE SET membership = excluded.membership, event = excluded.event,
            position = excluded.position, since = excluded.since, forgotten = excluded.forgotten
        """,
        [row._asdict() | {"forgotten": int(row.forgotten)} for row in rows],
    )


def rooms_of_user(txn: Transaction, user_nid: int) -> list[MemberRow]:
    """Every room that the user has a membership in, left ones included."""
    rows = txn.rows(_SELECT + " WHERE m.user_nid = %(user_nid)s", user_nid=user_nid)
    return [_member(row) for row in rows]


def member_row(txn: Transaction, room: int, user_nid: int) -> MemberRow | None:
    """None where the user never had a membership in the room."""
    row = txn.row(
        _SELECT + " WHERE m.room = %(room)s AND m.user_nid = %(user_nid)s", room=room, user_nid=user_nid
    )
    return None if row is None else _member(row)


def _member(row: Row) -> MemberRow:
    room, room_id, user_nid, membership, event, position, since, forgotten = row
    return MemberRow(room, RoomID(room_id), user_nid, membership, event, position, since, bool(forgotten))


def were_joined(txn: Transaction, room: int, users: Collection[int]) -> dict[int, tuple[UserID, bool]]:
    """The users by their short ids, and whether they are joined to the room by what is stored."""
    rows = txn.rows(
        """
        SELECT u.nid, u.user_id, m.membership FROM known_user u
        LEFT JOIN room_member m ON m.room = %(room)s AND m.user_nid = u.nid
        WHERE u.nid IN %(users)s
        """,
        room=room, users=list(users),
    )  # fmt: skip
    return {nid: (UserID(user_id), membership == "join") for nid, user_id, membership in rows}


def joined_member_events(txn: Transaction, room: int) -> list[tuple[UserID, bytes]]:
    """Every joined user with the client JSON of the member event."""
    rows = txn.rows(
        """
        SELECT u.user_id, b.client FROM room_member m
        JOIN known_user u ON u.nid = m.user_nid
        JOIN room_event_body b ON b.nid = m.event
        WHERE m.room = %(room)s AND m.membership = 'join'
        """,
        room=room,
    )
    return [(UserID(user_id), client) for user_id, client in rows]


def member_events(txn: Transaction, room: int, membership: str) -> list[int]:
    """The short ids of the member events of all who have the membership."""
    rows = txn.rows(
        "SELECT event FROM room_member WHERE room = %(room)s AND membership = %(membership)s",
        room=room, membership=membership,
    )  # fmt: skip
    return [event for (event,) in rows]


def heroes(txn: Transaction, rooms: Sequence[int], except_user: int) -> dict[int, list[UserID]]:
    """By room, the first five joined or invited users; where there are none, the first five who left or were banned.

    https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync (RoomSummary)
    """
    found = _first_members(txn, rooms, ("join", "invite"), except_user)
    empty = [room for room in rooms if room not in found]
    return found | _first_members(txn, empty, ("leave", "ban"), except_user)


def _first_members(
    txn: Transaction, rooms: Sequence[int], memberships: tuple[str, str], except_user: int
) -> dict[int, list[UserID]]:
    if not rooms:
        return {}
    # One more than needed of each membership, because the user may be among them.
    rows = txn.rows(
        _FIRST,
        rooms=list(rooms), one=memberships[0], other=memberships[1], most=_HEROES, never=2**62,
    )  # fmt: skip
    found: dict[int, list[UserID]] = {}
    for room, user_nid, user_id, _ in sorted(rows, key=lambda row: int(row[3])):
        members = found.setdefault(room, []) if user_nid != except_user else []
        if len(members) < _HEROES:
            members.append(UserID(user_id))
    return found


def members_without_account(txn: Transaction, limit: int) -> list[tuple[UserID, RoomID]]:
    """Users who were deactivated, with a room that they are still in."""
    rows = txn.rows(
        """
        SELECT u.user_id, r.room_id FROM account a
        JOIN room_member m ON m.user_nid = a.user_nid AND m.membership IN %(memberships)s
        JOIN known_user u ON u.nid = a.user_nid
        JOIN room r ON r.nid = m.room
        WHERE a.deactivated_at IS NOT NULL
        LIMIT %(limit)s
        """,
        memberships=["join", "invite", "knock"], limit=limit,
    )  # fmt: skip
    return [(UserID(user_id), RoomID(room_id)) for user_id, room_id in rows]


def set_forgotten(txn: Transaction, room: int, user_nid: int) -> None:
    """Until the user's next membership, the room is shown no more."""
    txn.execute(
        "UPDATE room_member SET forgotten = 1 WHERE room = %(room)s AND user_nid = %(user_nid)s",
        room=room, user_nid=user_nid,
    )  # fmt: skip


def add_to_summaries(txn: Transaction, changes: Mapping[int, tuple[int, int]]) -> None:
    """Adds (joined, invited) to the counts of each room."""
    txn.execute_many(
        """
        INSERT INTO room_summary (room, joined, invited) VALUES (%(room)s, %(joined)s, %(invited)s)
        ON CONFLICT (room) DO UPDATE SET joined = room_summary.joined + excluded.joined,
            invited = room_summary.invited + excluded.invited
        """,
        [{"room": room, "joined": joined, "invited": invited} for room, (joined, invited) in changes.items()],
    )


def summary_counts(txn: Transaction, rooms: Sequence[int]) -> dict[int, tuple[int, int]]:
    """(joined, invited) of each room."""
    rows = txn.rows(
        "SELECT room, joined, invited FROM room_summary WHERE room IN %(rooms)s", rooms=list(rooms)
    )
    return {room: (joined, invited) for room, joined, invited in rows}
