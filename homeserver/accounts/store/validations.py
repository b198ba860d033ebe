"""Table account_address_validation."""

from typing import NamedTuple

from homeserver.accounts.address import Address
from homeserver.storage.engine import Row, Transaction


class NewValidation(NamedTuple):
    """`expires_at` is in milliseconds since the epoch."""

    sid: str
    purpose: str
    address: Address
    secret_hash: bytes
    token_hash: bytes
    send_attempt: int
    next_link: str | None
    expires_at: int


class Validation(NamedTuple):
    """`validated_at`, in milliseconds since the epoch, is None until somebody opened the link."""

    sid: str
    purpose: str
    address: Address
    next_link: str | None
    validated_at: int | None


_SELECT = """
    SELECT sid, purpose, medium, address, next_link, validated_at FROM account_address_validation
    WHERE sid = %(sid)s AND expires_at > %(now)s
"""


def _validation(row: Row | None) -> Validation | None:
    if row is None:
        return None
    sid, purpose, medium, address, next_link, validated_at = row
    return Validation(sid, purpose, Address(medium, address), next_link, validated_at)


def validation(txn: Transaction, sid: str, secret_hash: bytes, now: int) -> Validation | None:
    row = txn.row(_SELECT + " AND secret_hash = %(secret)s", sid=sid, now=now, secret=secret_hash)
    return _validation(row)


def validation_by_token(txn: Transaction, sid: str, token_hash: bytes, now: int) -> Validation | None:
    row = txn.row(_SELECT + " AND token_hash = %(token)s", sid=sid, now=now, token=token_hash)
    return _validation(row)


def upsert_validation(txn: Transaction, new: NewValidation, now: int) -> tuple[str, bool]:
    """The `sid` that counts, and whether the link of `new` does: not where it is the same attempt once more."""
    txn.execute(
        """
        DELETE FROM account_address_validation
        WHERE address = %(address)s AND secret_hash = %(secret)s AND expires_at <= %(now)s
        """,
        address=new.address.address,
        secret=new.secret_hash,
        now=now,
    )
    row = txn.row(
        """
        INSERT INTO account_address_validation
            (sid, purpose, medium, address, secret_hash, token_hash, send_attempt, next_link, expires_at)
        VALUES (%(sid)s, %(purpose)s, %(medium)s, %(address)s, %(secret_hash)s, %(token_hash)s,
                %(send_attempt)s, %(next_link)s, %(expires_at)s)
        ON CONFLICT (address, secret_hash, purpose, medium) DO UPDATE
            SET token_hash = excluded.token_hash, send_attempt = excluded.send_attempt,
                next_link = excluded.next_link, expires_at = excluded.expires_at
            WHERE excluded.send_attempt > account_address_validation.send_attempt
        RETURNING sid
        """,
        **{**new._asdict(), "medium": new.address.medium, "address": new.address.address},
    )
    if row is not None:
        return str(row[0]), True
    kept = txn.row(
        """
        SELECT sid FROM account_address_validation
        WHERE address = %(address)s AND secret_hash = %(secret)s AND purpose = %(purpose)s
            AND medium = %(medium)s
        """,
        address=new.address.address,
        secret=new.secret_hash,
        purpose=new.purpose,
        medium=new.address.medium,
    )
    assert kept is not None, "there is a row in conflict"
    return str(kept[0]), False


def confirm_validation(
    txn: Transaction, sid: str, token_hash: bytes, now: int, until: int
) -> Validation | None:
    """Notes that the link was opened, and keeps that `until` then."""
    found = validation_by_token(txn, sid, token_hash, now)
    if found is None or found.validated_at is not None:
        return found
    txn.execute(
        """
        UPDATE account_address_validation SET validated_at = %(now)s, expires_at = %(until)s
        WHERE sid = %(sid)s
        """,
        sid=sid,
        now=now,
        until=until,
    )
    return found._replace(validated_at=now)


def delete_validation(txn: Transaction, sid: str) -> bool:
    """False where it is gone already: it can be used once."""
    return txn.execute("DELETE FROM account_address_validation WHERE sid = %(sid)s", sid=sid) > 0


def delete_expired_validations(txn: Transaction, now: int) -> int:
    """Returns how many they were."""
    return txn.execute("DELETE FROM account_address_validation WHERE expires_at <= %(now)s", now=now)
