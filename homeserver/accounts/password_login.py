"""Who somebody is, by name and password.

https://spec.matrix.org/v1.19/client-server-api/#identifier-types
"""

import msgspec

from config.rate_limits import RateLimits
from homeserver.accounts.address import Address, parse_address, parse_phone
from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.passwords import MAX_PASSWORD, PasswordHasher, was_imported
from homeserver.accounts.store.accounts import (
    Credentials,
    an_imported_hash,
    credentials_like,
    credentials_of,
    folded,
    replace_password_hash,
)
from homeserver.accounts.store.addresses import owner_of_address
from homeserver.http.limits import RateLimiter
from homeserver.protocol.errors import Forbidden, LimitExceeded, MissingParam, Unknown
from homeserver.protocol.identifiers import UserID, exceeds_bytes
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_NOBODY = UserID("")
_FAILED_ATTEMPTS = "login_failed_attempts"


class UserIdentifier(msgspec.Struct, frozen=True):
    """As clients send it; which fields count depends on its type."""

    type: str
    user: str | None = None
    medium: str | None = None
    address: str | None = None
    country: str | None = None
    phone: str | None = None


class NamedPassword(msgspec.Struct, frozen=True, kw_only=True):
    """A name and a password, as POST /login and the stage `m.login.password` take them."""

    identifier: UserIdentifier | None = None
    # The deprecated form of an identifier.
    user: str | None = None
    medium: str | None = None
    address: str | None = None
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
        named = self._named(_identifier(given))
        key = named.address if isinstance(named, Address) else folded(named)
        self._count_failure(key, count=False)
        candidate, imported = await self._db.read(_candidate, named)
        password_hash = None if candidate is None else candidate.password_hash
        if len(given.password) > MAX_PASSWORD:
            matches = await self._hasher.verify("", None, imported)
        else:
            matches = await self._hasher.verify(given.password, password_hash, imported)
        if candidate is None or password_hash is None or not matches:
            self._count_failure(key, count=True)
            raise Forbidden("Wrong user name or password")
        if was_imported(password_hash):
            new = await self._hasher.hash(given.password)
            await self._db.write(replace_password_hash, candidate.user_nid, password_hash, new)
        return candidate

    def _named(self, identifier: UserIdentifier) -> UserID | Address:
        """Who is meant; it may be nobody."""
        if identifier.type == "m.id.user":
            if not identifier.user:
                raise MissingParam("identifier.user is needed")
            user_id = self._domains.full_user_id(identifier.user)
            return _NOBODY if exceeds_bytes(user_id) or "\0" in user_id else user_id
        if identifier.type == "m.id.thirdparty":
            medium, address = identifier.medium, identifier.address
        elif identifier.type == "m.id.phone":
            if not identifier.phone:
                raise MissingParam("identifier.phone is needed")
            return parse_phone(identifier.country, identifier.phone)
        else:
            raise Unknown("The type of the identifier is not known")
        if not medium or not address:
            raise MissingParam("The identifier has no address")
        return parse_address(medium, address)

    def _count_failure(self, key: str, *, count: bool) -> None:
        limit = self._limits.login_failed_attempts
        try:
            self._limiter.check(_FAILED_ATTEMPTS, limit, key, count=count)
        except LimitExceeded:
            # When a failure is counted, the failure itself is the answer.
            if not count:
                raise


def _identifier(given: NamedPassword) -> UserIdentifier:
    if given.identifier is not None:
        return given.identifier
    if given.address is not None:
        return UserIdentifier("m.id.thirdparty", medium=given.medium, address=given.address)
    return UserIdentifier("m.id.user", given.user)


def _candidate(txn: Transaction, named: UserID | Address) -> tuple[Credentials | None, str | None]:
    """The user with this address or this very ID, or the only one whose ID differs just in case.

    With it, an imported hash of whomever.
    """
    return _credentials(txn, named), an_imported_hash(txn)


def _credentials(txn: Transaction, named: UserID | Address) -> Credentials | None:
    if isinstance(named, Address):
        owner = owner_of_address(txn, named)
        return None if owner is None else credentials_of(txn, owner)
    found = credentials_like(txn, named)
    exact = [one for one in found if one.user_id == named]
    if exact:
        return exact[0]
    return found[0] if len(found) == 1 else None
