"""Table media: which files end."""

from collections.abc import Collection, Sequence

from homeserver.media.store.contents import mark_unused
from homeserver.media.store.media import MediaKey
from homeserver.storage.engine import Row, Transaction

# Local ones that are in quarantine stay, so that what they are can be looked into; others can be fetched again.
_LOCAL = """
    SELECT m.server, m.media_id, m.sha256, m.length FROM media m
    WHERE m.server = '' AND m.accessed_at < %(before)s AND m.sha256 IS NOT NULL AND m.is_protected = 0
          AND NOT EXISTS (SELECT 1 FROM media_quarantine q WHERE q.sha256 = m.sha256)
    ORDER BY m.accessed_at LIMIT %(limit)s
"""
_REMOTE = """
    SELECT server, media_id, sha256, length FROM media
    WHERE server <> '' AND accessed_at < %(before)s
    ORDER BY accessed_at LIMIT %(limit)s
"""

_PREVIEWS = """
    SELECT server, media_id, sha256, length FROM media
    WHERE is_preview = 1 AND accessed_at < %(before)s
    ORDER BY accessed_at LIMIT %(limit)s
"""


def delete_unaccessed_local(txn: Transaction, before: int, now_ms: int, limit: int) -> int:
    """Files of this server that nobody has asked for since a time (in ms); returns how many."""
    return _delete(txn, txn.rows(_LOCAL, before=before, limit=limit), now_ms)


def delete_unaccessed_remote(txn: Transaction, before: int, now_ms: int, limit: int) -> int:
    """As `delete_unaccessed_local`, of all other servers."""
    return _delete(txn, txn.rows(_REMOTE, before=before, limit=limit), now_ms)


def delete_unaccessed_previews(txn: Transaction, before: int, now_ms: int, limit: int) -> int:
    """As `delete_unaccessed_local`, of pictures from pages that were previewed."""
    return _delete(txn, txn.rows(_PREVIEWS, before=before, limit=limit), now_ms)


def shrink_remote(txn: Transaction, most_bytes: int, now_ms: int, limit: int) -> int:
    """Files of other servers beyond so many bytes, those first that nobody has asked for the longest."""
    row = txn.row("SELECT sum(length) FROM media WHERE server <> ''")
    excess = (row[0] or 0) - most_bytes if row is not None else 0
    too_many: list[Row] = []
    for candidate in txn.rows(_REMOTE, before=now_ms + 1, limit=limit) if excess > 0 else ():
        if excess <= 0:
            break
        too_many.append(candidate)
        excess -= candidate[3]
    return _delete(txn, too_many, now_ms)


def delete_media(txn: Transaction, keys: Collection[MediaKey], now_ms: int) -> int:
    """Returns how many there were."""
    found = []
    for key in keys:
        row = txn.row(
            """
            SELECT server, media_id, sha256 FROM media
            WHERE server = %(server)s AND media_id = %(media_id)s
            """,
            **key._asdict(),
        )
        if row is not None:
            found.append(row)
    return _delete(txn, found, now_ms)


def _delete(txn: Transaction, rows: Sequence[Row], now_ms: int) -> int:
    for sha256 in {bytes(row[2]) for row in rows if row[2] is not None}:
        mark_unused(txn, sha256, now_ms)
    txn.execute_many(
        "DELETE FROM media WHERE server = %(server)s AND media_id = %(media_id)s",
        [{"server": row[0], "media_id": row[1]} for row in rows],
    )
    return len(rows)
