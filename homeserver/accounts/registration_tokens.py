"""Tokens that let strangers register: who has one was invited.

https://spec.matrix.org/v1.19/client-server-api/#token-authenticated-registration
"""

import re
from collections.abc import Sequence

from homeserver.accounts.store.registration_tokens import (
    RegistrationToken,
    delete_registration_token,
    insert_registration_token,
    registration_token,
    registration_tokens,
    update_registration_token,
)
from homeserver.protocol.errors import InvalidParam, NotFound
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.storage.database import Database

_GENERATED_LENGTH = 16
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{1,64}")


class RegistrationTokens:
    """Made and changed by administrators, used by whoever registers."""

    def __init__(self, db: Database, clock: Clock, randomness: Randomness) -> None:
        self._db = db
        self._clock = clock
        self._randomness = randomness

    async def is_valid(self, token: str) -> bool:
        found = await self._db.read(registration_token, token)
        return found is not None and found.is_valid(self._clock.now_ms())

    async def create(
        self,
        token: str | None = None,
        *,
        uses_allowed: int | None = None,
        expires_at: int | None = None,
        length: int = _GENERATED_LENGTH,
    ) -> RegistrationToken:
        """Without a token one of `length` characters is made up. Raises InvalidParam for one that exists already,
        is malformed, or could never be used."""
        self._check(uses_allowed, expires_at)
        token = self._randomness.token(length) if token is None else token
        if _TOKEN.fullmatch(token) is None:
            raise InvalidParam("A registration token has 1 to 64 characters of A-Z a-z 0-9 ._~-")
        made = RegistrationToken(token, uses_allowed, 0, expires_at)
        if not await self._db.write(insert_registration_token, made):
            raise InvalidParam("There is such a registration token already")
        return made

    async def get(self, token: str) -> RegistrationToken:
        """Raises NotFound."""
        found = await self._db.read(registration_token, token)
        if found is None:
            raise NotFound("There is no such registration token")
        return found

    async def list(self, *, valid: bool | None = None) -> Sequence[RegistrationToken]:
        """All, or only those that are `valid` now, or not."""
        now = self._clock.now_ms()
        found = await self._db.read(registration_tokens)
        return [token for token in found if valid is None or token.is_valid(now) == valid]

    async def update(self, changed: RegistrationToken) -> None:
        """Sets how often and until when it may be used. Raises NotFound or InvalidParam."""
        self._check(changed.uses_allowed, changed.expires_at)
        if not await self._db.write(update_registration_token, changed):
            raise NotFound("There is no such registration token")

    async def delete(self, token: str) -> None:
        """Raises NotFound."""
        if not await self._db.write(delete_registration_token, token):
            raise NotFound("There is no such registration token")

    def _check(self, uses_allowed: int | None, expires_at: int | None) -> None:
        if uses_allowed is not None and uses_allowed < 0:
            raise InvalidParam("A registration token cannot be used less often than never")
        if expires_at is not None and expires_at <= self._clock.now_ms():
            raise InvalidParam("A registration token must expire in the future")
