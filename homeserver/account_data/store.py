"""Tables account_data and account_data_filter."""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.storage.engine import Transaction

NO_ROOM = 0
"""`room_nid` of account data that is not about one room."""


class ContentKey(NamedTuple):
    """Whose account data, about which room (or NO_ROOM), of which type."""

    user_nid: int
    room_nid: int
    type: str


DELETED = b""
"""Content in the place of what was deleted, which clients are told of like of any other change (MSC3391)."""


class ContentRow(NamedTuple):
    """`content` is the JSON of an object, or DELETED; for `rank` see `supersedes`."""

    key: ContentKey
    content: bytes
    rank: int
    position: int


def supersedes(rank: int, stored_rank: int) -> bool:
    """Whether content of `rank` replaces that of `stored_rank`. Rank 0 has no order: the later one counts."""
    return rank == 0 or rank > stored_rank


def upsert_contents(txn: Transaction, rows: Sequence[ContentRow]) -> None:
    """Writes rows of different keys, except where what is stored has a higher rank (`supersedes`)."""
    txn.execute_many(
        """
        INSERT INTO account_data (user_nid, room_nid, type, content, rank, position)
        VALUES (%(user_nid)s, %(room_nid)s, %(type)s, %(content)s, %(rank)s, %(position)s)
        ON CONFLICT (user_nid, room_nid, type) DO UPDATE
        SET content = excluded.content, rank = excluded.rank, position = excluded.position
        WHERE excluded.rank = 0 OR excluded.rank > account_data.rank
        """,
        [
            {**row.key._asdict(), "content": row.content, "rank": row.rank, "position": row.position}
            for row in rows
        ],
    )


def content_of(txn: Transaction, key: ContentKey) -> bytes | None:
    row = txn.row(
        """
        SELECT content FROM account_data
        WHERE user_nid = %(user_nid)s AND room_nid = %(room_nid)s AND type = %(type)s
        """,
        **key._asdict(),
    )
    return None if row is None or bytes(row[0]) == DELETED else bytes(row[0])


def account_data_changes(
    txn: Transaction, user_nid: int, after: int, upto: int
) -> list[tuple[int, str, bytes]]:
    """(room's short id or NO_ROOM, type, JSON) of what changed at after < position <= upto, in that order.

    What was deleted is told as an empty object, but not to who knew nothing before.
    """
    rows = txn.rows(
        """
        SELECT room_nid, type, content FROM account_data
        WHERE user_nid = %(user_nid)s AND position > %(after)s AND position <= %(upto)s
        ORDER BY position
        """,
        user_nid=user_nid, after=after, upto=upto,
    )  # fmt: skip
    return [(room_nid, type_, content or b"{}") for room_nid, type_, content in rows if content or after > 0]


class FilterRow(NamedTuple):
    """`definition` is JSON; `created_ts` is in milliseconds."""

    user_nid: int
    filter_id: str
    definition: bytes
    created_ts: int


def insert_filter(txn: Transaction, row: FilterRow, keep: int) -> None:
    """Adds a filter if it is not there, and drops the oldest of the user's beyond `keep`."""
    added = txn.execute(
        """
        INSERT INTO account_data_filter (user_nid, filter_id, definition, created_ts)
        VALUES (%(user_nid)s, %(filter_id)s, %(definition)s, %(created_ts)s)
        ON CONFLICT DO NOTHING
        """,
        **row._asdict(),
    )
    if added:
        txn.execute(
            """
            DELETE FROM account_data_filter
            WHERE user_nid = %(user_nid)s AND created_ts < (
                SELECT min(created_ts) FROM (
                    SELECT created_ts FROM account_data_filter WHERE user_nid = %(user_nid)s
                    ORDER BY created_ts DESC
                    LIMIT %(keep)s
                ) AS newest
            )
            """,
            user_nid=row.user_nid, keep=keep,
        )  # fmt: skip


def filter_definition(txn: Transaction, user_nid: int, filter_id: str) -> bytes | None:
    row = txn.row(
        """
        SELECT definition FROM account_data_filter
        WHERE user_nid = %(user_nid)s AND filter_id = %(filter_id)s
        """,
        user_nid=user_nid, filter_id=filter_id,
    )  # fmt: skip
    return None if row is None else bytes(row[0])


def deactivated_owners(txn: Transaction) -> list[int]:
    """Users who were deactivated and still have account data or filters."""
    rows = txn.rows(
        """
        SELECT user_nid FROM account a WHERE deactivated_at IS NOT NULL AND (
            EXISTS (SELECT 1 FROM account_data d WHERE d.user_nid = a.user_nid)
            OR EXISTS (SELECT 1 FROM account_data_filter f WHERE f.user_nid = a.user_nid)
        )
        """
    )
    return [user_nid for (user_nid,) in rows]


def delete_user(txn: Transaction, user_nid: int) -> None:
    """Everything that a user kept, when the account ends."""
    txn.execute("DELETE FROM account_data WHERE user_nid = %(user_nid)s", user_nid=user_nid)
    txn.execute("DELETE FROM account_data_filter WHERE user_nid = %(user_nid)s", user_nid=user_nid)


def delete_room(txn: Transaction, room_nid: int) -> None:
    """What all users kept about a room, when the room is deleted."""
    assert room_nid != NO_ROOM, "that would delete what is about no room"
    txn.execute("DELETE FROM account_data WHERE room_nid = %(room_nid)s", room_nid=room_nid)
