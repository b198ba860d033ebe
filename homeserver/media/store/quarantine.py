"""Table media_quarantine: content that is given to nobody, whatever its URI."""

from collections.abc import Collection

from homeserver.media.store.media import MediaKey
from homeserver.protocol.identifiers import UserID
from homeserver.storage.engine import Transaction

_INSERT = """
    INSERT INTO media_quarantine (sha256, quarantined_by, quarantined_at)
    SELECT DISTINCT m.sha256, %(quarantined_by)s, CAST(%(now)s AS BIGINT) FROM media m
    WHERE m.sha256 IS NOT NULL AND m.is_protected = 0 AND {}
    ON CONFLICT (sha256) DO NOTHING
"""
_BY_KEY = _INSERT.format("m.server = %(server)s AND m.media_id = %(media_id)s")
_BY_UPLOADER = _INSERT.format("m.uploader = %(uploader)s")


def quarantine_media(txn: Transaction, keys: Collection[MediaKey], by: UserID, now_ms: int) -> int:
    """Returns how many contents were not in quarantine before; so do the next two."""
    return sum(txn.execute(_BY_KEY, **key._asdict(), quarantined_by=by, now=now_ms) for key in keys)


def quarantine_uploads(txn: Transaction, uploader: int, by: UserID, now_ms: int) -> int:
    return txn.execute(_BY_UPLOADER, uploader=uploader, quarantined_by=by, now=now_ms)


def quarantine_contents(txn: Transaction, contents: Collection[bytes], by: UserID, now_ms: int) -> int:
    """By their SHA-256, whether they are here or not."""
    added = 0
    for sha256 in contents:
        added += txn.execute(
            """
            INSERT INTO media_quarantine (sha256, quarantined_by, quarantined_at)
            VALUES (%(sha256)s, %(quarantined_by)s, %(now)s)
            ON CONFLICT (sha256) DO NOTHING
            """,
            sha256=sha256, quarantined_by=by, now=now_ms,
        )  # fmt: skip
    return added


def release_media(txn: Transaction, key: MediaKey) -> None:
    txn.execute(
        """
        DELETE FROM media_quarantine WHERE sha256 IN (
            SELECT sha256 FROM media WHERE server = %(server)s AND media_id = %(media_id)s
        )
        """,
        **key._asdict(),
    )


def protect_media(txn: Transaction, media_id: str, *, is_protected: bool) -> bool:
    """Whether there is such a file of this server."""
    changed = txn.execute(
        "UPDATE media SET is_protected = %(flag)s WHERE server = '' AND media_id = %(media_id)s",
        flag=int(is_protected), media_id=media_id,
    )  # fmt: skip
    return bool(changed)
