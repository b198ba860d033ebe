"""Strangers becoming users: who may, how fast, and by which names.

https://spec.matrix.org/v1.19/client-server-api/#legacy-account-registration
"""

from config.rate_limits import RateLimit
from config.registration import Registration
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.reserved_names import NOTHING_RESERVED, ReservedNames
from homeserver.http.limits import RateLimiter
from homeserver.protocol.errors import Forbidden, InvalidUsername, UserInUse
from homeserver.protocol.identifiers import UserID, new_user_id
from homeserver.runtime.randomness import Randomness

_GENERATED_LENGTH = 12
_GUEST_BYTES = 8
# A client asks several times for each account it makes: as its user types a name, and at each stage.
_QUESTIONS_PER_ACCOUNT = 10


class Usernames:
    """User IDs for users that are to be made."""

    def __init__(
        self,
        accounts: Accounts,
        domains: LocalDomains,
        randomness: Randomness,
        settings: Registration,
        reserved: ReservedNames = NOTHING_RESERVED,
    ) -> None:
        self._settings = settings
        self._reserved = reserved
        self._accounts = accounts
        self._domains = domains
        self._randomness = randomness

    async def claim(self, username: str) -> UserID:
        """The user ID that goes with a user name, in whatever case.

        Raises InvalidUsername, UserInUse, ExclusiveNamespace.

        Where the configuration wants it so, names that are taken are refused only when the account is made.
        """
        localpart = username.lower()
        user_id = new_user_id(localpart, self._domains.default)
        # COMPAT(synapse): kept for bridges and for guests there, and so here, where they may come from there.
        reserved = localpart.startswith("_") and not self._settings.allow_underscore_prefixed_localpart
        if reserved or localpart.isdigit():
            raise InvalidUsername("User names that begin with _ or are numbers are reserved")
        self._reserved.check_user(user_id)
        if not self._settings.inhibit_user_in_use_error and await self._accounts.is_taken(user_id):
            raise UserInUse("This user name is taken")
        return user_id

    def claim_for_service(self, username: str, access_token: str | None) -> UserID:
        """The same for the application service with the token. Raises what `ReservedNames` does, InvalidUsername."""
        user_id = new_user_id(username.lower(), self._domains.default)
        self._reserved.check_registration(access_token, user_id)
        return user_id

    def make_up(self) -> UserID:
        """A user ID of letters only chance would have used before."""
        return new_user_id(self._randomness.uppercase(_GENERATED_LENGTH).lower(), self._domains.default)

    def make_up_guest(self) -> UserID:
        """The same of digits only, which no user may choose."""
        number = int.from_bytes(self._randomness.bytes(_GUEST_BYTES), "big")
        return new_user_id(str(number), self._domains.default)


class Admission:
    """Whether registration is open, and not too fast, for somebody at an address."""

    def __init__(self, settings: Registration, limiter: RateLimiter, limit: RateLimit) -> None:
        self._settings = settings
        self._limiter = limiter
        self._limit = limit
        self._questions = RateLimit(
            per_second=limit.per_second * _QUESTIONS_PER_ACCOUNT, burst=limit.burst * _QUESTIONS_PER_ACCOUNT
        )

    def check(self, address: str) -> None:
        """Raises Forbidden where registration is closed, LimitExceeded where the address must wait."""
        self.check_open()
        self._limiter.check("registration_questions", self._questions, address)
        self._limiter.check("registration", self._limit, address, count=False)

    def check_open(self) -> None:
        """Raises Forbidden where registration is closed."""
        if not self._settings.enabled:
            raise Forbidden("Registration is closed on this server")

    def count_guest(self, address: str) -> None:
        """Raises Forbidden where guests are not admitted, LimitExceeded where the address must wait."""
        if not self._settings.guests:
            raise Forbidden("Guests are not admitted to this server")
        self.count(address)

    def count(self, address: str) -> None:
        """To be called once for each account that is made. Raises LimitExceeded."""
        self._limiter.check("registration", self._limit, address)
