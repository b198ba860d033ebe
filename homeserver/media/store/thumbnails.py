"""Table media_thumbnail: smaller pictures, by the content that they were made of."""

from typing import NamedTuple

from homeserver.media.store.contents import Content, claim, mark_unused
from homeserver.storage.engine import Transaction


class ThumbnailKey(NamedTuple):
    """`source` is the SHA-256 of the picture; sizes are in pixels."""

    source: bytes
    width: int
    height: int
    method: str
    animated: bool


class Thumbnail(NamedTuple):
    """`content` is None where none can be made."""

    content: Content | None
    content_type: str


def thumbnail_by_key(txn: Transaction, key: ThumbnailKey) -> Thumbnail | None:
    row = txn.row(
        """
        SELECT sha256, length, content_type FROM media_thumbnail
        WHERE source = %(source)s AND width = %(width)s AND height = %(height)s AND method = %(method)s
              AND animated = %(animated)s
        """,
        **_params(key),
    )
    if row is None:
        return None
    sha256, length, content_type = row
    return Thumbnail(None if sha256 is None else Content(bytes(sha256), length), content_type or "")


def insert_thumbnail(
    txn: Transaction, content: Content, key: ThumbnailKey, content_type: str, now_ms: int
) -> Content:
    """Returns the content. Not where the picture has gone meanwhile, or another was faster. Raises BeingRemoved."""
    claim(txn, content.sha256)
    stored = txn.execute(
        """
        INSERT INTO media_thumbnail
            (source, width, height, method, animated, created_at, sha256, length, content_type)
        SELECT %(source)s, CAST(%(width)s AS INTEGER), CAST(%(height)s AS INTEGER), %(method)s,
               CAST(%(animated)s AS INTEGER), CAST(%(now)s AS BIGINT), %(sha256)s, CAST(%(length)s AS BIGINT),
               %(content_type)s
        WHERE EXISTS (SELECT 1 FROM media WHERE sha256 = %(source)s)
        ON CONFLICT (source, width, height, method, animated) DO NOTHING
        """,
        now=now_ms, content_type=content_type, **_params(key), **content._asdict(),
    )  # fmt: skip
    if not stored:
        mark_unused(txn, content.sha256, now_ms)
    return content


def insert_failure(txn: Transaction, key: ThumbnailKey, now_ms: int) -> None:
    txn.execute(
        """
        INSERT INTO media_thumbnail (source, width, height, method, animated, created_at)
        VALUES (%(source)s, %(width)s, %(height)s, %(method)s, %(animated)s, %(now)s)
        ON CONFLICT (source, width, height, method, animated) DO NOTHING
        """,
        now=now_ms, **_params(key),
    )  # fmt: skip


def delete_failures(txn: Transaction, before: int) -> None:
    """Those from before a time, in ms."""
    txn.execute("DELETE FROM media_thumbnail WHERE sha256 IS NULL AND created_at < %(before)s", before=before)


def _params(key: ThumbnailKey) -> dict[str, object]:
    return {**key._asdict(), "animated": int(key.animated)}
