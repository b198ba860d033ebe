"""Table media_unused_content: what becomes of the bytes in the media store."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.storage.engine import Transaction

# Whoever began to remove a content longer ago (in ms) did not come to the end.
_REMOVED_WITHIN = 24 * 3600 * 1000


class Content(NamedTuple):
    """Bytes in the media store, by their SHA-256; `length` is how many."""

    sha256: bytes
    length: int


class BeingRemoved(Exception):
    """The content is just being removed from the store, and may be stored again after that."""


def claim(txn: Transaction, sha256: bytes) -> None:
    """Comes with the first row that refers to a content. Raises BeingRemoved."""
    row = txn.row("SELECT removing_since FROM media_unused_content WHERE sha256 = %(sha256)s", sha256=sha256)
    if row is None:
        return
    if row[0] is not None:
        raise BeingRemoved
    txn.execute("DELETE FROM media_unused_content WHERE sha256 = %(sha256)s", sha256=sha256)


def mark_unused(txn: Transaction, sha256: bytes, now_ms: int) -> None:
    """Comes with the end of a row that referred to a content. There may be others: that is looked at later."""
    txn.execute(
        """
        INSERT INTO media_unused_content (sha256, unused_since) VALUES (%(sha256)s, %(now)s)
        ON CONFLICT (sha256) DO NOTHING
        """,
        sha256=sha256, now=now_ms,
    )  # fmt: skip


def mark_unknown(txn: Transaction, contents: Sequence[bytes], now_ms: int) -> int:
    """Of contents in the store, marks as unused those that nothing knows of; returns how many."""
    known = {
        bytes(sha256)
        for (sha256,) in txn.rows(
            """
            SELECT sha256 FROM media WHERE sha256 IN %(contents)s
            UNION SELECT sha256 FROM media_thumbnail WHERE sha256 IN %(contents)s
            UNION SELECT sha256 FROM media_unused_content WHERE sha256 IN %(contents)s
            """,
            contents=list(contents),
        )
    }
    unknown = [sha256 for sha256 in contents if sha256 not in known]
    for sha256 in unknown:
        mark_unused(txn, sha256, now_ms)
    return len(unknown)


def begin_removal(txn: Transaction, unused_before: int, now_ms: int, limit: int) -> list[bytes]:
    """Contents that nothing has referred to since a time (in ms); the caller alone is to remove them from the store."""
    rows = txn.rows(
        """
        SELECT sha256 FROM media_unused_content
        WHERE unused_since <= %(before)s AND (removing_since IS NULL OR removing_since <= %(given_up)s)
        ORDER BY unused_since LIMIT %(limit)s
        """,
        before=unused_before, given_up=now_ms - _REMOVED_WITHIN, limit=limit,
    )  # fmt: skip
    candidates = [bytes(sha256) for (sha256,) in rows]
    used = [sha256 for sha256 in candidates if _is_used(txn, sha256)]
    _forget(txn, used)
    unused = [sha256 for sha256 in candidates if sha256 not in set(used)]
    txn.execute_many(
        "UPDATE media_unused_content SET removing_since = %(now)s WHERE sha256 = %(sha256)s",
        [{"sha256": sha256, "now": now_ms} for sha256 in unused],
    )
    return unused


def end_removal(txn: Transaction, removed: Collection[bytes], now_ms: int) -> None:
    """They are in the store no more; neither will be their thumbnails."""
    for sha256 in removed:
        txn.execute(
            """
            INSERT INTO media_unused_content (sha256, unused_since)
            SELECT DISTINCT sha256, CAST(%(now)s AS BIGINT) FROM media_thumbnail
            WHERE source = %(source)s AND sha256 IS NOT NULL
            ON CONFLICT (sha256) DO NOTHING
            """,
            source=sha256, now=now_ms,
        )  # fmt: skip
        txn.execute("DELETE FROM media_thumbnail WHERE source = %(source)s", source=sha256)
    _forget(txn, removed)


def _is_used(txn: Transaction, sha256: bytes) -> bool:
    row = txn.row(
        """
        SELECT 1 WHERE EXISTS (SELECT 1 FROM media WHERE sha256 = %(sha256)s)
                    OR EXISTS (SELECT 1 FROM media_thumbnail WHERE sha256 = %(sha256)s)
        """,
        sha256=sha256,
    )
    return row is not None


def _forget(txn: Transaction, contents: Collection[bytes]) -> None:
    txn.execute_many(
        "DELETE FROM media_unused_content WHERE sha256 = %(sha256)s",
        [{"sha256": sha256} for sha256 in contents],
    )
