"""Table account."""

from typing import NamedTuple

from config.rate_limits import RateLimit
from homeserver.protocol.identifiers import UserID
from homeserver.storage.engine import Row, Transaction


class Account(NamedTuple):
    """A local user. Times are milliseconds since the epoch."""

    user_nid: int
    user_id: UserID
    is_admin: bool
    user_type: str | None
    created_at: int
    deactivated_at: int | None
    erased: bool
    is_guest: bool
    locked_at: int | None
    suspended_at: int | None
    accepted_terms: str | None
    messages_per_second: int | None
    messages_burst: int | None

    @property
    def rate_limit(self) -> RateLimit | None:
        """How fast the user may send events, where an administrator said so."""
        return rate_limit_of(self.messages_per_second, self.messages_burst)


def rate_limit_of(per_second: int | None, burst: int | None) -> RateLimit | None:
    """As it is in the columns."""
    return None if per_second is None or burst is None else RateLimit(per_second=per_second, burst=burst)


class Credentials(NamedTuple):
    """What a password is checked against; `password_hash` is None where the account has none."""

    user_nid: int
    user_id: UserID
    password_hash: str | None


class NewAccount(NamedTuple):
    user_id: UserID
    password_hash: str | None
    displayname: str | None
    is_admin: bool = False
    user_type: str | None = None
    is_guest: bool = False
    accepted_terms: str | None = None


def folded(user_id: str) -> str:
    """By this, user IDs that differ only in case are the same. New ones have no capitals; old ones may."""
    return user_id.lower()


_SELECT = """
    SELECT a.user_nid, u.user_id, a.is_admin, a.user_type, a.created_at, a.deactivated_at, a.erased,
           a.is_guest, a.locked_at, a.suspended_at, a.accepted_terms, a.messages_per_second,
           a.messages_burst
    FROM account a JOIN known_user u ON u.nid = a.user_nid
"""


_SELECT_CREDENTIALS = """
    SELECT a.user_nid, u.user_id, a.password_hash
    FROM account a JOIN known_user u ON u.nid = a.user_nid
    WHERE a.deactivated_at IS NULL
"""


def _account(row: Row) -> Account:
    stored = Account(*row)
    return stored._replace(
        user_id=UserID(stored.user_id),
        is_admin=bool(stored.is_admin),
        erased=bool(stored.erased),
        is_guest=bool(stored.is_guest),
    )


def account_by_user_id(txn: Transaction, user_id: UserID) -> Account | None:
    row = txn.row(_SELECT + " WHERE u.user_id = %(user_id)s", user_id=user_id)
    return None if row is None else _account(row)


def account_by_nid(txn: Transaction, user_nid: int) -> Account | None:
    row = txn.row(_SELECT + " WHERE a.user_nid = %(user_nid)s", user_nid=user_nid)
    return None if row is None else _account(row)


def accounts_after(txn: Transaction, user_nid: int, limit: int) -> list[Account]:
    """Accounts with a greater short id, in its order."""
    rows = txn.rows(
        _SELECT + " WHERE a.user_nid > %(user_nid)s ORDER BY a.user_nid LIMIT %(limit)s",
        user_nid=user_nid,
        limit=limit,
    )
    return [_account(row) for row in rows]


def is_taken(txn: Transaction, user_id: UserID) -> bool:
    """Whether somebody has this user ID, or one that differs from it only in case."""
    return txn.row("SELECT 1 FROM account WHERE folded_id = %(folded)s", folded=folded(user_id)) is not None


def credentials_like(txn: Transaction, user_id: UserID) -> list[Credentials]:
    """Of the users whose IDs differ from this one at most in case."""
    rows = txn.rows(_SELECT_CREDENTIALS + " AND a.folded_id = %(folded)s", folded=folded(user_id))
    return [Credentials(*row) for row in rows]


def credentials_of(txn: Transaction, user_nid: int) -> Credentials | None:
    """None for a deactivated user."""
    row = txn.row(_SELECT_CREDENTIALS + " AND a.user_nid = %(user_nid)s", user_nid=user_nid)
    return None if row is None else Credentials(*row)


def an_imported_hash(txn: Transaction) -> str | None:
    """The password hash of some user whom another server hashed it for, as long as there is one."""
    # In the words of the index.
    row = txn.row(
        "SELECT password_hash FROM account WHERE substr(password_hash, 1, 2) = '$2' ORDER BY user_nid LIMIT 1"
    )
    return None if row is None else str(row[0])


def insert_account(txn: Transaction, new: NewAccount, now: int) -> int | None:
    """The short id of the new user, or None where the user ID is taken."""
    user_nid = _known_user(txn, new.user_id)
    inserted = txn.execute(
        """
        INSERT INTO account (user_nid, folded_id, password_hash, is_admin, user_type, created_at, is_guest,
                             accepted_terms)
        VALUES (%(user_nid)s, %(folded)s, %(password_hash)s, %(is_admin)s, %(user_type)s, %(now)s, %(is_guest)s,
                %(accepted_terms)s)
        ON CONFLICT DO NOTHING
        """,
        user_nid=user_nid,
        folded=folded(new.user_id),
        password_hash=new.password_hash,
        is_admin=int(new.is_admin),
        user_type=new.user_type,
        now=now,
        is_guest=int(new.is_guest),
        accepted_terms=new.accepted_terms,
    )
    return user_nid if inserted else None


def upgrade_guest(txn: Transaction, user_nid: int, password_hash: str, accepted_terms: str | None) -> bool:
    """Makes a user of a guest; False where they are a user already, or gone."""
    changed = txn.execute(
        """
        UPDATE account SET is_guest = 0, password_hash = %(password_hash)s, accepted_terms = %(accepted_terms)s
        WHERE user_nid = %(user_nid)s AND is_guest = 1 AND deactivated_at IS NULL
        """,
        user_nid=user_nid,
        password_hash=password_hash,
        accepted_terms=accepted_terms,
    )
    return changed > 0


def _known_user(txn: Transaction, user_id: UserID) -> int:
    # Somebody may have spoken of this user before. The update changes nothing, but makes the row be returned.
    row = txn.row(
        """
        INSERT INTO known_user (user_id) VALUES (%(user_id)s)
        ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id
        RETURNING nid
        """,
        user_id=user_id,
    )
    assert row is not None, "an upsert returns its row"
    return int(row[0])


def update_password_hash(txn: Transaction, user_nid: int, password_hash: str) -> None:
    txn.execute(
        "UPDATE account SET password_hash = %(password_hash)s WHERE user_nid = %(user_nid)s",
        user_nid=user_nid,
        password_hash=password_hash,
    )


def replace_password_hash(txn: Transaction, user_nid: int, old: str, new: str) -> None:
    """A hash of the same password; one that was set meanwhile stays."""
    txn.execute(
        "UPDATE account SET password_hash = %(new)s WHERE user_nid = %(user_nid)s AND password_hash = %(old)s",
        user_nid=user_nid,
        old=old,
        new=new,
    )


def update_is_admin(txn: Transaction, user_nid: int, is_admin: bool) -> None:
    txn.execute(
        "UPDATE account SET is_admin = %(is_admin)s WHERE user_nid = %(user_nid)s",
        user_nid=user_nid,
        is_admin=int(is_admin),
    )


def update_locked_at(txn: Transaction, user_nid: int, locked_at: int | None) -> None:
    txn.execute(
        "UPDATE account SET locked_at = %(locked_at)s WHERE user_nid = %(user_nid)s",
        user_nid=user_nid,
        locked_at=locked_at,
    )


def update_suspended_at(txn: Transaction, user_nid: int, suspended_at: int | None) -> None:
    txn.execute(
        "UPDATE account SET suspended_at = %(suspended_at)s WHERE user_nid = %(user_nid)s",
        user_nid=user_nid,
        suspended_at=suspended_at,
    )


def update_accepted_terms(txn: Transaction, user_nid: int, version: str) -> None:
    txn.execute(
        "UPDATE account SET accepted_terms = %(version)s WHERE user_nid = %(user_nid)s",
        user_nid=user_nid,
        version=version,
    )


def update_rate_limit(txn: Transaction, user_nid: int, per_second: int | None, burst: int | None) -> None:
    txn.execute(
        """
        UPDATE account SET messages_per_second = %(per_second)s, messages_burst = %(burst)s
        WHERE user_nid = %(user_nid)s
        """,
        user_nid=user_nid,
        per_second=per_second,
        burst=burst,
    )


def mark_deactivated(txn: Transaction, user_nid: int, now: int, *, erase: bool) -> None:
    """Erasure is not taken back by a second deactivation without it."""
    txn.execute(
        """
        UPDATE account
        SET password_hash = NULL, is_admin = 0, deactivated_at = COALESCE(deactivated_at, %(now)s),
            erased = CASE WHEN %(erase)s = 1 THEN 1 ELSE erased END
        WHERE user_nid = %(user_nid)s
        """,
        user_nid=user_nid,
        now=now,
        erase=int(erase),
    )
