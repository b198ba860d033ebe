"""Tokens that log a user in once, on a device that has no session yet.

https://spec.matrix.org/v1.19/client-server-api/#token-based
"""

from datetime import timedelta

from homeserver.accounts.login import Proven
from homeserver.accounts.store.accounts import account_by_nid
from homeserver.accounts.store.short_lived_tokens import insert_short_lived_token, take_login_token
from homeserver.accounts.tokens import new_login_token, token_hash
from homeserver.protocol.errors import Forbidden
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction


class LoginTokens:
    """Hands them out and takes them back."""

    def __init__(self, db: Database, clock: Clock, randomness: Randomness, lifetime: timedelta) -> None:
        self._db = db
        self._clock = clock
        self._randomness = randomness
        self._lifetime_ms = lifetime // timedelta(milliseconds=1)

    async def issue(self, user_nid: int) -> tuple[str, int]:
        """A token, and for how many milliseconds it is good."""
        token = new_login_token(self._randomness)
        expires_at = self._clock.now_ms() + self._lifetime_ms
        await self._db.write(insert_short_lived_token, token.hash, "login", user_nid, expires_at)
        return token.text, self._lifetime_ms

    async def redeem(self, token: str) -> Proven:
        """Whose token it is. Raises Forbidden where it is not known, was used before or has expired."""
        proven = await self._db.write(_redeem, token_hash(token), self._clock.now_ms())
        if proven is None:
            raise Forbidden("This login token is not known, was used before or has expired")
        return proven


def _redeem(txn: Transaction, digest: bytes, now: int) -> Proven | None:
    user_nid = take_login_token(txn, digest, now)
    account = None if user_nid is None else account_by_nid(txn, user_nid)
    return None if account is None else Proven(account.user_nid, account.user_id)
