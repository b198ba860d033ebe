"""Tables account_profile and account_profile_change."""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from homeserver.accounts.profile import Profile
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import decode_json, encode_json
from homeserver.storage.engine import Transaction


class ProfileReader(IntEnum):
    """Who must be told of changes. The numbers are stored."""

    ROOMS = 1
    USER_DIRECTORY = 2


class ProfileChange(NamedTuple):
    """A profile of which a reader was not told; `changes` counts, so that none of them is taken for another."""

    user_nid: int
    user_id: UserID
    changes: int


_SELECT = """
    SELECT p.displayname, p.avatar_url, p.fields
    FROM account_profile p JOIN known_user u ON u.nid = p.user_nid
    WHERE u.user_id = %(user_id)s
"""


def profile_of(txn: Transaction, user_id: UserID) -> Profile | None:
    """None where there is no such local user."""
    row = txn.row(_SELECT, user_id=user_id)
    if row is None:
        return None
    displayname, avatar_url, fields = row
    return Profile(displayname, avatar_url, decode_json(fields))


def put_profile(txn: Transaction, user_nid: int, profile: Profile) -> None:
    before = txn.row(
        "SELECT displayname, avatar_url FROM account_profile WHERE user_nid = %(user_nid)s",
        user_nid=user_nid,
    )
    txn.execute(
        """
        INSERT INTO account_profile (user_nid, displayname, avatar_url, fields)
        VALUES (%(user_nid)s, %(displayname)s, %(avatar_url)s, %(fields)s)
        ON CONFLICT (user_nid) DO UPDATE
            SET displayname = excluded.displayname, avatar_url = excluded.avatar_url, fields = excluded.fields
        """,
        user_nid=user_nid,
        displayname=profile.displayname,
        avatar_url=profile.avatar_url,
        fields=encode_json(profile.fields),
    )
    if before != (profile.displayname, profile.avatar_url):
        # Who is new is in no room.
        _mark(txn, user_nid, [ProfileReader.USER_DIRECTORY] if before is None else list(ProfileReader))


def _mark(txn: Transaction, user_nid: int, readers: Sequence[ProfileReader]) -> None:
    """In the transaction of the change, so that no reader misses it, whatever happens in between."""
    txn.execute_many(
        """
        INSERT INTO account_profile_change (reader, user_nid, changes) VALUES (%(reader)s, %(user_nid)s, 1)
        ON CONFLICT (reader, user_nid) DO UPDATE SET changes = account_profile_change.changes + 1
        """,
        [{"reader": int(reader), "user_nid": user_nid} for reader in readers],
    )


def profile_changes(txn: Transaction, reader: ProfileReader, limit: int) -> list[ProfileChange]:
    """The first profiles, by short ids of their users, of which the reader was not told."""
    rows = txn.rows(
        """
        SELECT c.user_nid, u.user_id, c.changes FROM account_profile_change c
        JOIN known_user u ON u.nid = c.user_nid
        WHERE c.reader = %(reader)s ORDER BY c.user_nid LIMIT %(limit)s
        """,
        reader=int(reader), limit=limit,
    )  # fmt: skip
    return [ProfileChange(user_nid, UserID(user_id), changes) for user_nid, user_id, changes in rows]


def settle_profile_changes(txn: Transaction, reader: ProfileReader, told: Sequence[ProfileChange]) -> None:
    """The reader knows these; one that changed again meanwhile stays."""
    txn.execute_many(
        """
        DELETE FROM account_profile_change
        WHERE reader = %(reader)s AND user_nid = %(user_nid)s AND changes = %(changes)s
        """,
        [{"reader": int(reader), "user_nid": one.user_nid, "changes": one.changes} for one in told],
    )


def mark_all_profiles(txn: Transaction, reader: ProfileReader) -> None:
    """The reader is to be told of all profiles anew."""
    txn.execute(
        """
        INSERT INTO account_profile_change (reader, user_nid, changes)
        SELECT %(reader)s, user_nid, 1 FROM account_profile WHERE true
        ON CONFLICT (reader, user_nid) DO UPDATE SET changes = account_profile_change.changes + 1
        """,
        reader=int(reader),
    )
