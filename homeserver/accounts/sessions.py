"""Sessions: what a client gets when it logs in, how it is renewed, and how it ends.

https://spec.matrix.org/v1.19/client-server-api/#relationship-between-access-tokens-and-devices
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from config.sessions import Sessions as Lifetimes
from homeserver.accounts.store.accounts import Account, account_by_nid
from homeserver.accounts.store.sessions import NewSession, insert_session
from homeserver.accounts.store.tokens import (
    NewToken,
    RefreshTokenRow,
    delete_expired_tokens,
    end_reused,
    insert_tokens,
    keep_only_generation,
    refresh_token_row,
)
from homeserver.accounts.token_cache import TokenCache
from homeserver.accounts.tokens import (
    RefreshPlace,
    Token,
    first_refresh_place,
    new_access_token,
    new_refresh_token,
    refresh_place_of,
    token_hash,
)
from homeserver.protocol.errors import InvalidParam, UnknownToken, UserDeactivated, UserLocked
from homeserver.protocol.identifiers import DeviceID
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

MAX_DEVICE_ID = 512
MAX_DISPLAY_NAME = 100
_DEVICE_ID_LETTERS = 10
# For so long a client that comes back is told that it may log in again and keep its keys.
_EXPIRED_TOKENS_KEPT = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the client is given; `expires_in_ms` is about the access token, None for never."""

    access_token: str
    refresh_token: str | None
    expires_in_ms: int | None


@dataclass(frozen=True, slots=True)
class PreparedSession:
    """A session that is about to be stored, and the tokens for the client."""

    stored: NewSession
    tokens: Tokens

    @property
    def device_id(self) -> DeviceID:
        return self.stored.device_id


class Sessions:
    """Begins, refreshes and cleans up sessions. They end with their devices (`Devices`)."""

    def __init__(
        self, db: Database, cache: TokenCache, clock: Clock, randomness: Randomness, lifetimes: Lifetimes
    ) -> None:
        self._db = db
        self._cache = cache
        self._clock = clock
        self._randomness = randomness
        self._lifetimes = lifetimes

    def prepare(
        self, device_id: DeviceID | None, display_name: str | None, *, refreshable: bool
    ) -> PreparedSession:
        """A session with fresh tokens, and a fresh device unless one is named. Nothing is stored yet.

        `refreshable` is what the client asks for; the configuration may say no. Raises InvalidParam.
        """
        check_device_name(display_name)
        if device_id is not None:
            check_device_id(device_id)
        now = self._clock.now_ms()
        ends_at = _later(now, self._lifetimes.lifetime)
        refreshable = refreshable and self._lifetimes.refreshable_access_token_lifetime is not None
        place = first_refresh_place(self._randomness) if refreshable else None
        stored, tokens = self._new_tokens(now, ends_at, place)
        device_id = device_id or DeviceID(self._randomness.uppercase(_DEVICE_ID_LETTERS))
        refresh_hash = None if place is None else place.session_hash
        return PreparedSession(
            NewSession(device_id, display_name, now, ends_at, refresh_hash, stored), tokens
        )

    async def begin(self, user_nid: int, session: PreparedSession) -> None:
        """Stores a session; others on the same device end. Raises UserDeactivated or UserLocked."""
        self._cache.forget(await self._db.write(_begin, user_nid, session.stored))

    async def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for old. The refresh token stays valid until one of the new ones is used.

        One that comes after that was stolen, or the newer ones were, so it ends the session. Raises UnknownToken, with
        `soft_logout` where the refresh token or the session has expired, or ends now; UserLocked.
        """
        place = refresh_place_of(refresh_token)
        if place is None:
            raise UnknownToken("This is no refresh token", soft_logout=False)
        tokens, ended = await self._db.write(self._refresh, token_hash(refresh_token), place)
        self._cache.forget(ended)
        if tokens is None:
            raise UnknownToken("This refresh token was used before; log in again", soft_logout=True)
        return tokens

    async def forget_expired(self) -> None:
        """For a daily task."""
        before = self._clock.now_ms() - _milliseconds(_EXPIRED_TOKENS_KEPT)
        await self._db.write(delete_expired_tokens, before)

    def _refresh(
        self, txn: Transaction, digest: bytes, place: RefreshPlace
    ) -> tuple[Tokens | None, list[bytes]]:
        """The new tokens, or None where the session has ended, and the hashes of tokens that no longer count."""
        now = self._clock.now_ms()
        row = refresh_token_row(txn, digest)
        if row is None:
            ended = end_reused(txn, place.session_hash, place.generation, now)
            if ended is None:
                raise UnknownToken("This refresh token is not known", soft_logout=False)
            return None, ended
        _check_not_expired(row, now)
        if row.locked_at is not None:
            raise UserLocked("This account has been locked", soft_logout=True)
        stored, tokens = self._new_tokens(now, row.session_ends_at, place.next(row.generation + 1))
        ended = keep_only_generation(txn, row.device_nid, row.generation)
        insert_tokens(txn, row.device_nid, row.generation + 1, stored)
        return tokens, ended

    def _new_tokens(
        self, now: int, ends_at: int | None, place: RefreshPlace | None
    ) -> tuple[Sequence[NewToken], Tokens]:
        lifetimes = self._lifetimes
        access = new_access_token(self._randomness)
        refresh: Token | None = None
        lifetime = lifetimes.nonrefreshable_access_token_lifetime
        if place is not None:
            refresh = new_refresh_token(self._randomness, place)
            lifetime = lifetimes.refreshable_access_token_lifetime
        expires_at = _earlier(_later(now, lifetime), ends_at)
        stored = [NewToken(access.hash, False, expires_at)]
        if refresh is not None:
            refresh_expires_at = _earlier(_later(now, lifetimes.refresh_token_lifetime), ends_at)
            stored.append(NewToken(refresh.hash, True, refresh_expires_at))
        return stored, Tokens(
            access_token=access.text,
            refresh_token=None if refresh is None else refresh.text,
            expires_in_ms=None if expires_at is None else expires_at - now,
        )


def check_device_id(device_id: DeviceID) -> None:
    """Raises InvalidParam where no device can have this ID."""
    if not 0 < len(device_id) <= MAX_DEVICE_ID or "\0" in device_id:
        raise InvalidParam(f"A device ID has 1 to {MAX_DEVICE_ID} characters, none of them NUL")


def check_device_name(display_name: str | None) -> None:
    """Raises InvalidParam where a device cannot be called so."""
    if display_name is not None and (len(display_name) > MAX_DISPLAY_NAME or "\0" in display_name):
        raise InvalidParam(f"The name of a device may have {MAX_DISPLAY_NAME} characters, and no NUL")


def check_may_sign_in(account: Account | None) -> None:
    """Raises UserDeactivated or UserLocked. For who has proven to be the user; others learn nothing of it."""
    if account is None or account.deactivated_at is not None:
        raise UserDeactivated("This account has been deactivated")
    if account.locked_at is not None:
        raise UserLocked("This account has been locked", soft_logout=True)


def _begin(txn: Transaction, user_nid: int, session: NewSession) -> list[bytes]:
    check_may_sign_in(account_by_nid(txn, user_nid))
    return insert_session(txn, user_nid, session)


def _check_not_expired(row: RefreshTokenRow, now: int) -> None:
    for limit in (row.expires_at, row.session_ends_at):
        if limit is not None and limit <= now:
            raise UnknownToken("This session has expired", soft_logout=True)


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def _later(now: int, lifetime: timedelta | None) -> int | None:
    return None if lifetime is None else now + _milliseconds(lifetime)


def _earlier(*times: int | None) -> int | None:
    return min((time for time in times if time is not None), default=None)
