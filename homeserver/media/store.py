"""Table local_media."""

from typing import NamedTuple

from homeserver.storage.engine import Transaction


class Content(NamedTuple):
    """Bytes in the media store, by their SHA-256; `length` is how many."""

    sha256: bytes
    length: int


class Description(NamedTuple):
    """What the uploader says of a file. `content_type` may be sent as a header; the name is any text."""

    content_type: str
    file_name: str | None


class Media(NamedTuple):
    """One mxc:// URI; `content` is None until the upload. `uploader` is a short id, times are in milliseconds."""

    media_id: str
    uploader: int
    expires_at: int | None
    content: Content | None
    description: Description
    is_authenticated: bool


class Reservation(NamedTuple):
    """A URI for an upload to come."""

    media_id: str
    uploader: int
    created_at: int
    expires_at: int
    is_authenticated: bool


def insert_uploaded(
    txn: Transaction,
    media_id: str,
    uploader: int,
    now_ms: int,
    content: Content,
    description: Description,
    *,
    is_authenticated: bool,
) -> None:
    txn.execute(
        """
        INSERT INTO local_media
            (media_id, uploader, created_at, sha256, length, content_type, file_name, is_authenticated)
        VALUES (%(media_id)s, %(uploader)s, %(created_at)s, %(sha256)s, %(length)s, %(content_type)s,
                %(file_name)s, %(is_authenticated)s)
        """,
        media_id=media_id, uploader=uploader, created_at=now_ms, is_authenticated=int(is_authenticated),
        **content._asdict(), **description._asdict(),
    )  # fmt: skip


def insert_reservation(txn: Transaction, new: Reservation, most: int) -> int | None:
    """Adds it, unless the user has `most` already: then it is told when the first of them expires."""
    row = txn.row(
        """
        SELECT count(*), min(expires_at) FROM local_media
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
        INSERT INTO local_media (media_id, uploader, created_at, expires_at, is_authenticated)
        VALUES (%(media_id)s, %(uploader)s, %(created_at)s, %(expires_at)s, %(is_authenticated)s)
        """,
        **new._asdict() | {"is_authenticated": int(new.is_authenticated)},
    )
    return None


def fill_reservation(
    txn: Transaction, media_id: str, now_ms: int, content: Content, description: Description
) -> bool:
    """False where the upload came before, or the reservation has expired."""
    filled = txn.execute(
        """
        UPDATE local_media
        SET sha256 = %(sha256)s, length = %(length)s, content_type = %(content_type)s,
            file_name = %(file_name)s, expires_at = NULL
        WHERE media_id = %(media_id)s AND sha256 IS NULL AND expires_at > %(now)s
        """,
        media_id=media_id, now=now_ms, **content._asdict(), **description._asdict(),
    )  # fmt: skip
    return bool(filled)


def media_by_id(txn: Transaction, media_id: str) -> Media | None:
    row = txn.row(
        """
        SELECT uploader, expires_at, sha256, length, content_type, file_name, is_authenticated
        FROM local_media WHERE media_id = %(media_id)s
        """,
        media_id=media_id,
    )
    if row is None:
        return None
    uploader, expires_at, sha256, length, content_type, file_name, is_authenticated = row
    content = None if sha256 is None else Content(bytes(sha256), length)
    description = Description(content_type or "", file_name)
    return Media(media_id, uploader, expires_at, content, description, bool(is_authenticated))


def delete_unused(txn: Transaction, now_ms: int) -> None:
    """The reservations that have expired."""
    txn.execute("DELETE FROM local_media WHERE sha256 IS NULL AND expires_at <= %(now)s", now=now_ms)
