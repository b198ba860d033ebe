"""From an access token to the user and device behind it.

https://spec.matrix.org/v1.19/client-server-api/#using-access-tokens
"""

from homeserver.accounts.consent import Consent
from homeserver.accounts.last_seen import LastSeen
from homeserver.accounts.store.accounts import rate_limit_of
from homeserver.accounts.store.tokens import AccessTokenRow, access_token_row, first_use
from homeserver.accounts.token_cache import Known, TokenCache
from homeserver.accounts.tokens import token_hash
from homeserver.http.requester import NOBODY_ELSE, ActingAs, Requester
from homeserver.protocol.errors import UnknownToken
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database

# So late at most a running server learns what the command line changed in its database.
_REMEMBERED_MS = 5 * 60 * 1000


class TokenAuthenticator:
    """Implements `homeserver.http.requester.Authenticator` for users' access tokens."""

    def __init__(
        self, db: Database, cache: TokenCache, last_seen: LastSeen, consent: Consent, clock: Clock
    ) -> None:
        self._db = db
        self._cache = cache
        self._last_seen = last_seen
        self._consent = consent
        self._clock = clock

    async def requester(
        self, access_token: str, address: str, user_agent: str, acting_as: ActingAs = NOBODY_ELSE
    ) -> Requester:
        """Raises UnknownToken, with `soft_logout` where the token has merely expired."""
        digest = token_hash(access_token)
        now = self._clock.now_ms()
        known = self._cache.get(digest)
        requester = known.requester if known and now < known.until else await self._look_up(digest, now)
        if requester.device_nid is not None:
            self._last_seen.note(requester.device_nid, now, address, user_agent)
        return requester

    async def _look_up(self, digest: bytes, now: int) -> Requester:
        endings = self._cache.endings
        row = _valid(await self._db.read(access_token_row, digest), now)
        if row.generation > row.device_generation:
            newest, ended = await self._db.write(first_use, digest)
            row = _valid(newest, now)
            self._cache.forget(ended)
        requester = self._requester(row, digest)
        until = now + _REMEMBERED_MS if row.expires_at is None else min(now + _REMEMBERED_MS, row.expires_at)
        self._cache.put(digest, Known(requester, until), endings)
        return requester

    def _requester(self, row: AccessTokenRow, digest: bytes) -> Requester:
        return Requester(
            user_id=row.user_id,
            user_nid=row.user_nid,
            device_id=row.device_id,
            device_nid=row.device_nid,
            is_guest=bool(row.is_guest),
            is_admin=bool(row.is_admin),
            is_locked=row.locked_at is not None,
            is_suspended=row.suspended_at is not None,
            owed_consent=self._consent.owed(row.user_id, row.user_type, row.accepted_terms),
            rate_limit=rate_limit_of(row.messages_per_second, row.messages_burst),
            token_hash=digest,
        )


def _valid(row: AccessTokenRow | None, now: int) -> AccessTokenRow:
    if row is None:
        raise UnknownToken("This access token is not known", soft_logout=False)
    if row.expires_at is not None and row.expires_at <= now:
        raise UnknownToken("This access token has expired", soft_logout=True)
    return row
