"""Tokens that prove to other services who a user is, and are good for nothing else.

https://spec.matrix.org/v1.19/client-server-api/#openid
"""

from datetime import timedelta

from homeserver.accounts.store.short_lived_tokens import (
    delete_expired_short_lived_tokens,
    insert_short_lived_token,
    openid_user,
)
from homeserver.accounts.tokens import new_openid_token, token_hash
from homeserver.protocol.errors import UnknownToken
from homeserver.protocol.identifiers import UserID
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.storage.database import Database

LIFETIME = timedelta(hours=1)


class OpenIdTokens:
    """Hands them out, and tells whose they are."""

    def __init__(self, db: Database, clock: Clock, randomness: Randomness) -> None:
        self._db = db
        self._clock = clock
        self._randomness = randomness

    async def issue(self, user_nid: int) -> str:
        token = new_openid_token(self._randomness)
        expires_at = self._clock.now_ms() + LIFETIME // timedelta(milliseconds=1)
        await self._db.write(insert_short_lived_token, token.hash, "openid", user_nid, expires_at)
        return token.text

    async def user_of(self, token: str) -> UserID:
        """Raises UnknownToken."""
        user_id = await self._db.read(openid_user, token_hash(token), self._clock.now_ms())
        if user_id is None:
            raise UnknownToken("This token is not known, or has expired")
        return user_id

    async def forget_expired(self) -> None:
        """For an hourly task; login tokens end here too."""
        await self._db.write(delete_expired_short_lived_tokens, self._clock.now_ms())
