"""Table account_short_lived_token: tokens that stand for a user for minutes."""

from typing import Literal

from homeserver.protocol.identifiers import UserID
from homeserver.storage.engine import Transaction

Purpose = Literal["login", "openid"]


def insert_short_lived_token(
    txn: Transaction, token_hash: bytes, purpose: Purpose, user_nid: int, expires_at: int
) -> None:
    txn.execute(
        """
        INSERT INTO account_short_lived_token (hash, purpose, user_nid, expires_at)
        VALUES (%(hash)s, %(purpose)s, %(user_nid)s, %(expires_at)s)
        """,
        hash=token_hash,
        purpose=purpose,
        user_nid=user_nid,
        expires_at=expires_at,
    )


def take_login_token(txn: Transaction, token_hash: bytes, now: int) -> int | None:
    """Whose token it was, by short id; nobody can take it again. None where it is not known or has expired."""
    row = txn.row(
        """
        DELETE FROM account_short_lived_token
        WHERE hash = %(hash)s AND purpose = 'login' AND expires_at > %(now)s
        RETURNING user_nid
        """,
        hash=token_hash,
        now=now,
    )
    return None if row is None else int(row[0])


def openid_user(txn: Transaction, token_hash: bytes, now: int) -> UserID | None:
    """Whose token it is. None where it is not known or has expired, or the account may not be used."""
    row = txn.row(
        """
        SELECT u.user_id FROM account_short_lived_token t
        JOIN account a ON a.user_nid = t.user_nid
        JOIN known_user u ON u.nid = t.user_nid
        WHERE t.hash = %(hash)s AND t.purpose = 'openid' AND t.expires_at > %(now)s AND a.locked_at IS NULL
        """,
        hash=token_hash,
        now=now,
    )
    return None if row is None else UserID(row[0])


def delete_short_lived_tokens_of(txn: Transaction, user_nid: int) -> None:
    txn.execute("DELETE FROM account_short_lived_token WHERE user_nid = %(user_nid)s", user_nid=user_nid)


def delete_expired_short_lived_tokens(txn: Transaction, now: int) -> int:
    """Returns how many they were."""
    return txn.execute("DELETE FROM account_short_lived_token WHERE expires_at <= %(now)s", now=now)
