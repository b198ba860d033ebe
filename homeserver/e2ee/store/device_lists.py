"""Table e2ee_device_list_change, and who can see whose devices."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import decode_json
from homeserver.storage.engine import Transaction

EVERYBODY = 0
"""`seen_by` of a change that is told to all who share a room with the user."""

_SHARES_A_ROOM = """
    EXISTS (
        SELECT 1 FROM room_member m
        JOIN room_member v ON v.room = m.room AND v.user_nid = %(viewer)s AND v.membership = 'join'
        WHERE m.user_nid = {user} AND m.membership = 'join'
    )
"""


class ListChange(NamedTuple):
    """A user's keys changed; `seen_by` is EVERYBODY or the only user to be told. `changed_at` is in ms."""

    user_nid: int
    seen_by: int
    position: int
    changed_at: int


def upsert_list_changes(txn: Transaction, changes: Iterable[ListChange]) -> None:
    """Of the same user and viewer the last one counts."""
    rows = {(change.user_nid, change.seen_by): change._asdict() for change in changes}
    txn.execute_many(
        """
        INSERT INTO e2ee_device_list_change (user_nid, seen_by, position, changed_at)
        VALUES (%(user_nid)s, %(seen_by)s, %(position)s, %(changed_at)s)
        ON CONFLICT (user_nid, seen_by) DO UPDATE
        SET position = excluded.position, changed_at = excluded.changed_at
        """,
        list(rows.values()),
    )


def changed_users(txn: Transaction, viewer: int, after: int, upto: int) -> list[UserID]:
    """Users whose keys changed at after < position <= upto, as far as the viewer is to be told."""
    rows = txn.rows(
        f"""
        SELECT DISTINCT u.user_id FROM e2ee_device_list_change c JOIN known_user u ON u.nid = c.user_nid
        WHERE c.position > %(after)s AND c.position <= %(upto)s AND (
            c.seen_by = %(viewer)s
            OR (c.seen_by = 0 AND (c.user_nid = %(viewer)s OR {_SHARES_A_ROOM.format(user="c.user_nid")}))
        )
        """,
        viewer=viewer, after=after, upto=upto,
    )  # fmt: skip
    return [UserID(user_id) for (user_id,) in rows]


def joined_users(txn: Transaction, rooms: Sequence[int], after: int) -> dict[int, UserID]:
    """Users who joined one of the rooms after a position and are there, by short id."""
    rows = txn.rows(
        """
        SELECT DISTINCT u.nid, u.user_id FROM room_member m JOIN known_user u ON u.nid = m.user_nid
        WHERE m.room IN %(rooms)s AND m.membership = 'join' AND m.since > %(after)s
        """,
        rooms=list(rooms), after=after,
    )  # fmt: skip
    return dict(rows)


def departed_users(txn: Transaction, rooms: Sequence[int], after: int) -> set[int]:
    """Users who left one of the rooms after a position, and did not just decline to enter it."""
    gone: set[int] = set()
    # One membership at a time: asked for both at once, SQLite looks at every member of the rooms.
    for membership in ("leave", "ban"):
        rows = txn.rows(
            """
            SELECT m.user_nid, b.client FROM room_member m
            JOIN room_event e ON e.nid = m.event
            JOIN room_event_body b ON b.nid = e.replaces
            WHERE m.room IN %(rooms)s AND m.membership = %(membership)s AND m.since > %(after)s
            """,
            rooms=list(rooms), membership=membership, after=after,
        )  # fmt: skip
        gone.update(user for user, before in rows if _membership(before) not in ("invite", "knock"))
    return gone


def _membership(client: bytes) -> object:
    return decode_json(client)["content"].get("membership")


def out_of_sight(txn: Transaction, viewer: int, users: Collection[int]) -> list[UserID]:
    """Those of the users who share no room with the viewer any more."""
    rows = txn.rows(
        f"""
        SELECT u.user_id FROM known_user u
        WHERE u.nid IN %(users)s AND u.nid <> %(viewer)s AND NOT {_SHARES_A_ROOM.format(user="u.nid")}
        """,
        viewer=viewer, users=list(users),
    )  # fmt: skip
    return [UserID(user_id) for (user_id,) in rows]


def delete_changes_seen_by(txn: Transaction, viewer: int) -> None:
    """Changes that only this user was told of, when what the user signed is gone."""
    txn.execute("DELETE FROM e2ee_device_list_change WHERE seen_by = %(viewer)s", viewer=viewer)


def delete_changes_of_ended(txn: Transaction, before: int) -> int:
    """Changes of users whose accounts have ended, made before a time in ms; how many they were."""
    return txn.execute(
        """
        DELETE FROM e2ee_device_list_change WHERE changed_at < %(before)s AND user_nid IN (
            SELECT a.user_nid FROM account a WHERE a.deactivated_at IS NOT NULL
        )
        """,
        before=before,
    )
