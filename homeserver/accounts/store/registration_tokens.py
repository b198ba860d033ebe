"""Table account_registration_token."""

from typing import NamedTuple

from homeserver.storage.engine import Transaction


class RegistrationToken(NamedTuple):
    """`uses_allowed` None is any number; `completed` are accounts made. Times are milliseconds since the epoch."""

    token: str
    uses_allowed: int | None
    completed: int
    expires_at: int | None

    def is_valid(self, now: int) -> bool:
        used_up = self.uses_allowed is not None and self.completed >= self.uses_allowed
        return not used_up and (self.expires_at is None or self.expires_at > now)


_SELECT = "SELECT token, uses_allowed, completed, expires_at FROM account_registration_token"


def registration_token(txn: Transaction, token: str) -> RegistrationToken | None:
    row = txn.row(_SELECT + " WHERE token = %(token)s", token=token)
    return None if row is None else RegistrationToken(*row)


def registration_tokens(txn: Transaction) -> list[RegistrationToken]:
    return [RegistrationToken(*row) for row in txn.rows(_SELECT + " ORDER BY token")]


def insert_registration_token(txn: Transaction, token: RegistrationToken) -> bool:
    """False where there is one already."""
    inserted = txn.execute(
        """
        INSERT INTO account_registration_token (token, uses_allowed, completed, expires_at)
        VALUES (%(token)s, %(uses_allowed)s, %(completed)s, %(expires_at)s)
        ON CONFLICT DO NOTHING
        """,
        **token._asdict(),
    )
    return inserted > 0


def update_registration_token(txn: Transaction, token: RegistrationToken) -> bool:
    """Sets how often and until when it may be used. False where there is none."""
    changed = txn.execute(
        """
        UPDATE account_registration_token SET uses_allowed = %(uses_allowed)s, expires_at = %(expires_at)s
        WHERE token = %(token)s
        """,
        token=token.token,
        uses_allowed=token.uses_allowed,
        expires_at=token.expires_at,
    )
    return changed > 0


def use_registration_token(txn: Transaction, token: str, now: int) -> bool:
    """Counts an account made with it. False where it is not valid (any more)."""
    used = txn.execute(
        """
        UPDATE account_registration_token SET completed = completed + 1
        WHERE token = %(token)s AND (uses_allowed IS NULL OR completed < uses_allowed)
            AND (expires_at IS NULL OR expires_at > %(now)s)
        """,
        token=token,
        now=now,
    )
    return used > 0


def delete_registration_token(txn: Transaction, token: str) -> bool:
    """False where there is none."""
    return txn.execute("DELETE FROM account_registration_token WHERE token = %(token)s", token=token) > 0
