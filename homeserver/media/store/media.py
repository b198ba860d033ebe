"""Table media: each file that has an mxc:// URI, of this server or of another."""

from collections.abc import Collection
from typing import NamedTuple

from homeserver.media.store.contents import Content, claim, mark_unused
from homeserver.storage.engine import Transaction

LOCAL = ""
"""Stands for this server, whatever it is called."""


class Description(NamedTuple):
    """What is known of a file. `content_type`, as its uploader said, may be sent as a header; the name is any text.

    `found_type` is what the content shows itself to be, if anything.
    """

    content_type: str
    file_name: str | None
    found_type: str | None = None


class MediaKey(NamedTuple):
    """An mxc:// URI; `server` is `LOCAL` for those of this server."""

    server: str
    media_id: str


class Media(NamedTuple):
    """What is behind a URI; `content` is None until the upload. `uploader` is a short id, times are in ms."""

    key: MediaKey
    uploader: int | None
    accessed_at: int
    expires_at: int | None
    content: Content | None
    description: Description
    is_authenticated: bool
    is_quarantined: bool


class NewMedia(NamedTuple):
    """A file that has come: uploaded by a user of this server, or fetched from another for nobody in particular."""

    key: MediaKey
    uploader: int | None
    description: Description
    is_authenticated: bool
    is_preview: bool = False


class Reservation(NamedTuple):
    """A URI for an upload to come."""

    media_id: str
    uploader: int
    created_at: int
    expires_at: int
    is_authenticated: bool


def insert_media(txn: Transaction, content: Content, new: NewMedia, now_ms: int) -> None:
    """What is there already stays. Raises BeingRemoved."""
    claim(txn, content.sha256)
    txn.execute(
        """
        INSERT INTO media (server, media_id, uploader, created_at, accessed_at, sha256, length, content_type,
                           file_name, found_type, is_authenticated, is_preview)
        VALUES (%(server)s, %(media_id)s, %(uploader)s, %(now)s, %(now)s, %(sha256)s, %(length)s, %(content_type)s,
                %(file_name)s, %(found_type)s, %(is_authenticated)s, %(is_preview)s)
        ON CONFLICT (server, media_id) DO NOTHING
        """,
        uploader=new.uploader, now=now_ms, is_authenticated=int(new.is_authenticated), is_preview=int(new.is_preview),
        **new.key._asdict(), **content._asdict(), **new.description._asdict(),
    )  # fmt: skip


def insert_reservation(txn: Transaction, new: Reservation, most: int) -> int | None:
    """Adds it, unless the user has `most` already: then it is told when the first of them expires."""
    row = txn.row(
        """
        SELECT count(*), min(expires_at) FROM media
        WHERE uploader = %(uploader)s AND sha256 IS NULL AND expires_at > %(now)s
        """,
        uploader=new.uploader, now=new.created_at,
    )  # fmt: skip
    assert row is not None, "a count is one row"
    pending, first_expiry = row
    if pending >= most:
        return int(first_expiry or new.expires_at)
    txn.execute(
        """
        INSERT INTO media (server, media_id, uploader, created_at, accessed_at, expires_at, is_authenticated)
        VALUES ('', %(media_id)s, %(uploader)s, %(created_at)s, %(created_at)s, %(expires_at)s, %(is_authenticated)s)
        """,
        **new._asdict() | {"is_authenticated": int(new.is_authenticated)},
    )
    return None


def fill_reservation(
    txn: Transaction, content: Content, media_id: str, now_ms: int, description: Description
) -> bool:
    """False where the upload came before, or the reservation has expired. Raises BeingRemoved."""
    claim(txn, content.sha256)
    filled = txn.execute(
        """
        UPDATE media
        SET sha256 = %(sha256)s, length = %(length)s, content_type = %(content_type)s,
            file_name = %(file_name)s, found_type = %(found_type)s, created_at = %(now)s, accessed_at = %(now)s,
            expires_at = NULL
        WHERE server = '' AND media_id = %(media_id)s AND sha256 IS NULL AND expires_at > %(now)s
        """,
        media_id=media_id, now=now_ms, **content._asdict(), **description._asdict(),
    )  # fmt: skip
    if not filled:
        mark_unused(txn, content.sha256, now_ms)
    return bool(filled)


def media_by_key(txn: Transaction, key: MediaKey) -> Media | None:
    row = txn.row(
        """
        SELECT m.uploader, m.accessed_at, m.expires_at, m.sha256, m.length, m.content_type, m.file_name,
               m.found_type, m.is_authenticated, q.quarantined_by
        FROM media m LEFT JOIN media_quarantine q ON q.sha256 = m.sha256 AND m.is_protected = 0
        WHERE m.server = %(server)s AND m.media_id = %(media_id)s
        """,
        **key._asdict(),
    )
    if row is None:
        return None
    uploader, accessed_at, expires_at, sha256, length, *described, is_authenticated, quarantined_by = row
    content = None if sha256 is None else Content(bytes(sha256), length)
    content_type, file_name, found_type = described
    description = Description(content_type or "", file_name, found_type)
    return Media(
        key,
        uploader,
        accessed_at,
        expires_at,
        content,
        description,
        bool(is_authenticated),
        quarantined_by is not None,
    )


def delete_expired(txn: Transaction, now_ms: int) -> None:
    """The reservations that have expired."""
    txn.execute("DELETE FROM media WHERE sha256 IS NULL AND expires_at <= %(now)s", now=now_ms)


def mark_accessed(txn: Transaction, keys: Collection[MediaKey], now_ms: int) -> None:
    txn.execute_many(
        """
        UPDATE media SET accessed_at = %(now)s WHERE server = %(server)s AND media_id = %(media_id)s
        """,
        [{**key._asdict(), "now": now_ms} for key in keys],
    )


def uploaded_bytes(txn: Transaction, uploader: int, since: int) -> int:
    """How much a user has uploaded since a time, in ms."""
    row = txn.row(
        "SELECT sum(length) FROM media WHERE uploader = %(uploader)s AND created_at > %(since)s",
        uploader=uploader, since=since,
    )  # fmt: skip
    return int(row[0] or 0) if row is not None else 0
