"""Who somebody is, by name and password.

https://spec.matrix.org/v1.19/client-server-api/#identifier-types
"""

import msgspec

from config.rate_limits import RateLimits
from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.passwords import MAX_PASSWORD, PasswordHasher
from homeserver.accounts.store.accounts import Credentials, credentials_like, folded
from homeserver.http.limits import RateLimiter
from homeserver.protocol.errors import Forbidden, LimitExceeded, MissingParam, Unknown
from homeserver.protocol.identifiers import UserID, exceeds_bytes
from homeserver.storage.database import Database

_THIRD_PARTY = frozenset({"m.id.thirdparty", "m.id.phone"})
_NOBODY = UserID("")
_FAILED_ATTEMPTS = "login_failed_attempts"


class UserIdentifier(msgspec.Struct, frozen=True):
    """As clients send it; the fields of third-party identifiers are of no use before there are any."""

    type: str
    user: str | None = None


class NamedPassword(msgspec.Struct, frozen=True, kw_only=True):
    """A name and a password, as POST /login and the stage `m.login.password` take them."""

    identifier: UserIdentifier | None = None
    user: str | None = None
    password: str | None = None


class PasswordLogin:
    """Checks passwords, and slows down those who guess them."""

    def __init__(
        self,
        db: Database,
        hasher: PasswordHasher,
        domains: LocalDomains,
        limiter: RateLimiter,
        limits: RateLimits,
    ) -> None:
        self._db = db
        self._hasher = hasher
        self._domains = domains
        self._limiter = limiter
        self._limits = limits

    async def check(self, given: NamedPassword) -> Credentials:
        """The user whose password this is.

        Raises Forbidden, in the same words and after the same time whether the password is wrong or there is
        no such user; LimitExceeded after too many failures; MissingParam or Unknown for what makes no sense.
        """
        if given.password is None:
            raise MissingParam("password is needed")
        named = self._user_id(given)
        self._count_failure(named, count=False)
        candidate = await self._candidate(named)
        password_hash = None if candidate is None else candidate.password_hash
        if len(given.password) > MAX_PASSWORD:
            matches = await self._hasher.verify("", None)
        else:
            matches = await self._hasher.verify(given.password, password_hash)
        if candidate is None or not matches:
            self._count_failure(named, count=True)
            raise Forbidden("Wrong user name or password")
        return candidate

    def _user_id(self, given: NamedPassword) -> UserID:
        """Who is meant; it may be nobody, as nobody has third-party identifiers here."""
        identifier = given.identifier
        if identifier is None:
            # The deprecated form.
            identifier = UserIdentifier("m.id.user", given.user)
        if identifier.type in _THIRD_PARTY:
            return _NOBODY
        if identifier.type != "m.id.user":
            raise Unknown("The type of the identifier is not known")
        if not identifier.user:
            raise MissingParam("identifier.user is needed")
        user_id = self._domains.full_user_id(identifier.user)
        return _NOBODY if exceeds_bytes(user_id) or "\0" in user_id else user_id

    async def _candidate(self, named: UserID) -> Credentials | None:
        """The user with this very ID, or the only one whose ID differs just in case."""
        found = await self._db.read(credentials_like, named)
        exact = [one for one in found if one.user_id == named]
        if exact:
            return exact[0]
        return found[0] if len(found) == 1 else None

    def _count_failure(self, named: UserID, *, count: bool) -> None:
        limit = self._limits.login_failed_attempts
        try:
            self._limiter.check(_FAILED_ATTEMPTS, limit, folded(named), count=count)
        except LimitExceeded:
            # When a failure is counted, the failure itself is the answer.
            if not count:
                raise
