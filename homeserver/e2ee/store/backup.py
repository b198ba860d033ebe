"""Tables e2ee_backup and e2ee_backup_key."""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import RoomID
from homeserver.storage.engine import Transaction


class BackupRow(NamedTuple):
    """`auth_data` is JSON. The `etag` counts the changes of keys."""

    version: int
    algorithm: str
    auth_data: bytes
    etag: int
    key_count: int


class BackupKey(NamedTuple):
    """`session_data` is JSON."""

    room_id: RoomID
    session_id: str
    first_message_index: int
    forwarded_count: int
    is_verified: bool
    session_data: bytes


class Quality(NamedTuple):
    """The smaller one is kept. https://spec.matrix.org/v1.19/client-server-api/#server-side-key-backups"""

    is_unverified: bool
    first_message_index: int
    forwarded_count: int


def quality_of(key: BackupKey) -> Quality:
    return Quality(not key.is_verified, key.first_message_index, key.forwarded_count)


_SELECT = "SELECT version, algorithm, auth_data, etag, key_count FROM e2ee_backup WHERE user_nid = %(user)s"


def newest_backup(txn: Transaction, user_nid: int) -> BackupRow | None:
    row = txn.row(_SELECT + " AND deleted = 0 ORDER BY version DESC LIMIT 1", user=user_nid)
    return None if row is None else BackupRow(*row)


def backup(txn: Transaction, user_nid: int, version: int) -> BackupRow | None:
    row = txn.row(_SELECT + " AND deleted = 0 AND version = %(version)s", user=user_nid, version=version)
    return None if row is None else BackupRow(*row)


def newest_version(txn: Transaction, user_nid: int) -> int:
    """The number that the user's newest backup has or had; 0 where there never was one."""
    row = txn.row("SELECT max(version) FROM e2ee_backup WHERE user_nid = %(user)s", user=user_nid)
    return 0 if row is None or row[0] is None else int(row[0])


def insert_backup(txn: Transaction, user_nid: int, version: int, algorithm: str, auth_data: bytes) -> None:
    """The rows of deleted backups are needed no more."""
    txn.execute("DELETE FROM e2ee_backup WHERE user_nid = %(user)s AND deleted = 1", user=user_nid)
    txn.execute(
        """
        INSERT INTO e2ee_backup (user_nid, version, algorithm, auth_data, etag, key_count, deleted)
        VALUES (%(user)s, %(version)s, %(algorithm)s, %(auth_data)s, 0, 0, 0)
        """,
        user=user_nid, version=version, algorithm=algorithm, auth_data=auth_data,
    )  # fmt: skip


def update_auth_data(txn: Transaction, user_nid: int, version: int, auth_data: bytes) -> None:
    txn.execute(
        "UPDATE e2ee_backup SET auth_data = %(data)s WHERE user_nid = %(user)s AND version = %(version)s",
        user=user_nid, version=version, data=auth_data,
    )  # fmt: skip


def update_counts(txn: Transaction, user_nid: int, row: BackupRow) -> None:
    txn.execute(
        """
        UPDATE e2ee_backup SET etag = %(etag)s, key_count = %(count)s
        WHERE user_nid = %(user)s AND version = %(version)s
        """,
        user=user_nid, version=row.version, etag=row.etag, count=row.key_count,
    )  # fmt: skip


def delete_backup(txn: Transaction, user_nid: int, version: int) -> None:
    """Its keys go; its number stays, unless there is a newer one."""
    delete_backup_keys(txn, user_nid, version, None, None)
    txn.execute(
        """
        UPDATE e2ee_backup SET deleted = 1, auth_data = %(nothing)s, key_count = 0
        WHERE user_nid = %(user)s AND version = %(version)s
        """,
        user=user_nid, version=version, nothing=b"",
    )  # fmt: skip
    txn.execute(
        "DELETE FROM e2ee_backup WHERE user_nid = %(user)s AND deleted = 1 AND version < %(newest)s",
        user=user_nid, newest=newest_version(txn, user_nid),
    )  # fmt: skip


_KEYS = """
    SELECT room_id, session_id, first_message_index, forwarded_count, is_verified, session_data
    FROM e2ee_backup_key WHERE user_nid = %(user)s AND version = %(version)s
"""


def backup_keys(
    txn: Transaction, user_nid: int, version: int, room_id: RoomID | None, session_id: str | None
) -> list[BackupKey]:
    """All keys of a backup, those of one room, or that of one session."""
    where, params = _which(room_id, session_id)
    rows = txn.rows(_KEYS + where, user=user_nid, version=version, **params)
    return [
        BackupKey(room, session, index, forwarded, bool(verified), data)
        for room, session, index, forwarded, verified, data in rows
    ]


def delete_backup_keys(
    txn: Transaction, user_nid: int, version: int, room_id: RoomID | None, session_id: str | None
) -> int:
    """As `backup_keys`; how many they were."""
    where, params = _which(room_id, session_id)
    statement = "DELETE FROM e2ee_backup_key WHERE user_nid = %(user)s AND version = %(version)s" + where
    return txn.execute(statement, user=user_nid, version=version, **params)


def _which(room_id: RoomID | None, session_id: str | None) -> tuple[str, dict[str, str]]:
    where = ""
    params: dict[str, str] = {}
    if room_id is not None:
        where, params["room_id"] = " AND room_id = %(room_id)s", room_id
    if session_id is not None:
        where, params["session_id"] = where + " AND session_id = %(session_id)s", session_id
    return where, params


def stored_qualities(
    txn: Transaction, user_nid: int, version: int, keys: Sequence[BackupKey]
) -> dict[tuple[RoomID, str], Quality]:
    """How good the stored keys of the same sessions are."""
    rows = txn.rows(
        """
        SELECT room_id, session_id, is_verified, first_message_index, forwarded_count FROM e2ee_backup_key
        WHERE user_nid = %(user)s AND version = %(version)s
            AND room_id IN %(rooms)s AND session_id IN %(sessions)s
        """,
        user=user_nid, version=version,
        rooms=sorted({key.room_id for key in keys}), sessions=sorted({key.session_id for key in keys}),
    )  # fmt: skip
    return {
        (room, session): Quality(not verified, index, forwarded)
        for room, session, verified, index, forwarded in rows
    }


def put_backup_keys(txn: Transaction, user_nid: int, version: int, keys: Sequence[BackupKey]) -> None:
    txn.execute_many(
        """
        INSERT INTO e2ee_backup_key (user_nid, version, room_id, session_id,
                                     first_message_index, forwarded_count, is_verified, session_data)
        VALUES (%(user)s, %(version)s, %(room_id)s, %(session_id)s,
                %(first_message_index)s, %(forwarded_count)s, %(is_verified)s, %(session_data)s)
        ON CONFLICT (user_nid, version, room_id, session_id) DO UPDATE
        SET first_message_index = excluded.first_message_index, forwarded_count = excluded.forwarded_count,
            is_verified = excluded.is_verified, session_data = excluded.session_data
        """,
        [
            {**key._asdict(), "is_verified": int(key.is_verified), "user": user_nid, "version": version}
            for key in keys
        ],
    )
