"""Table media_url_preview: what web pages say of themselves."""

from homeserver.storage.engine import Transaction


def preview_by_url(txn: Transaction, url: bytes, since: int) -> bytes | None:
    """The JSON of a page that was looked at since a time (in ms), by the SHA-256 of its URL."""
    row = txn.row(
        "SELECT preview FROM media_url_preview WHERE url = %(url)s AND seen_at > %(since)s",
        url=url, since=since,
    )  # fmt: skip
    return None if row is None else bytes(row[0])


def put_preview(txn: Transaction, url: bytes, preview: bytes, now_ms: int) -> None:
    txn.execute(
        """
        INSERT INTO media_url_preview (url, seen_at, preview) VALUES (%(url)s, %(now)s, %(preview)s)
        ON CONFLICT (url) DO UPDATE SET seen_at = excluded.seen_at, preview = excluded.preview
        """,
        url=url, now=now_ms, preview=preview,
    )  # fmt: skip


def delete_previews(txn: Transaction, before: int) -> None:
    """Of pages looked at before a time, in ms."""
    txn.execute("DELETE FROM media_url_preview WHERE seen_at <= %(before)s", before=before)
