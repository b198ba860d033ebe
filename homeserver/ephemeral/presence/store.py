"""Table presence."""

from collections.abc import Iterable, Sequence

from homeserver.ephemeral.presence.state import State, UserPresence
from homeserver.protocol.identifiers import UserID
from homeserver.storage.engine import Row, Transaction

_SELECT = """
    SELECT p.user_nid, u.user_id, p.state, p.status_msg, p.last_active_at, p.is_active
    FROM presence p JOIN known_user u ON u.nid = p.user_nid
"""


def upsert_presence(txn: Transaction, presences: Sequence[UserPresence], position: int) -> None:
    """Writes the presence of different users."""
    txn.execute_many(
        """
        INSERT INTO presence (user_nid, state, status_msg, last_active_at, is_active, position)
        VALUES (%(user_nid)s, %(state)s, %(status_msg)s, %(last_active_at)s, %(is_active)s, %(position)s)
        ON CONFLICT (user_nid) DO UPDATE SET state = excluded.state, status_msg = excluded.status_msg,
            last_active_at = excluded.last_active_at, is_active = excluded.is_active,
            position = excluded.position
        """,
        [
            {
                "user_nid": one.user_nid,
                "state": int(one.state),
                "status_msg": one.status_msg,
                "last_active_at": one.last_active_at,
                "is_active": int(one.is_active),
                "position": position,
            }
            for one in presences
        ],
    )


def presence_of(txn: Transaction, user_nid: int) -> UserPresence | None:
    """None for a user who was not seen lately."""
    row = txn.row(_SELECT + " WHERE p.user_nid = %(user_nid)s", user_nid=user_nid)
    return None if row is None else _presence(row)


def all_present(txn: Transaction) -> tuple[list[UserPresence], dict[int, set[int]]]:
    """Everybody who is not offline, and the rooms that each is joined to."""
    rows = txn.rows(_SELECT + " WHERE p.state > 0")
    present = [_presence(row) for row in rows]
    return present, joined_rooms(txn, [one.user_nid for one in present])


def joined_rooms(txn: Transaction, user_nids: Iterable[int]) -> dict[int, set[int]]:
    """The rooms that each of the users is joined to now."""
    rooms: dict[int, set[int]] = {user_nid: set() for user_nid in user_nids}
    rows = txn.rows(
        "SELECT user_nid, room FROM room_member WHERE user_nid IN %(users)s AND membership = 'join'",
        users=list(rooms),
    )
    for user_nid, room in rows:
        rooms[user_nid].add(room)
    return rooms


def presence_changes(txn: Transaction, rooms: Sequence[int], after: int) -> list[UserPresence]:
    """Of users in any of the rooms, those who changed after a position, gone ones too."""
    rows = txn.rows(
        _SELECT
        + """
        WHERE p.position > %(after)s AND EXISTS (
            SELECT 1 FROM room_member m
            WHERE m.user_nid = p.user_nid AND m.membership = 'join' AND m.room IN %(rooms)s
        )
        """,
        after=after, rooms=list(rooms),
    )  # fmt: skip
    return [_presence(row) for row in rows]


def inhabitants_present(
    txn: Transaction, room: int, limit: int, user_nid: int | None = None
) -> list[UserPresence]:
    """Users of this server in the room who are not offline; only that one, if one is named."""
    rows = txn.rows(
        _SELECT
        + """
        JOIN room_inhabitant i ON i.user_nid = p.user_nid
        WHERE i.room = %(room)s AND p.state > 0 AND i.user_nid = coalesce(%(user_nid)s, i.user_nid)
        LIMIT %(limit)s
        """,
        room=room, limit=limit, user_nid=user_nid,
    )  # fmt: skip
    return [_presence(row) for row in rows]


def delete_stale_presence(txn: Transaction, before: int) -> None:
    """Of users who are offline and were active last before a time in milliseconds."""
    txn.execute("DELETE FROM presence WHERE state = 0 AND last_active_at < %(before)s", before=before)


def _presence(row: Row) -> UserPresence:
    user_nid, user_id, state, status_msg, last_active_at, is_active = row
    return UserPresence(user_nid, UserID(user_id), State(state), status_msg, last_active_at, bool(is_active))
