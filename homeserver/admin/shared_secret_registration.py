"""Making accounts by those who know the secret of the configuration, as with Synapse.

https://element-hq.github.io/synapse/latest/admin_api/register_api.html
"""

import hmac
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from homeserver.accounts.newcomers import Newcomers
from homeserver.accounts.passwords import MAX_PASSWORD
from homeserver.accounts.registration import Usernames
from homeserver.accounts.sessions import PreparedSession
from homeserver.protocol.errors import Unknown
from homeserver.protocol.identifiers import UserID, localpart_of
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness

_LIFE = timedelta(minutes=1)
_NONCE_BYTES = 64
# Anybody may ask for nonces; the oldest give way.
_MOST_NONCES = 10_000
_USER_TYPES = frozenset({"support", "bot"})


class HmacIncorrect(Unknown):
    # COMPAT(synapse): M_UNKNOWN, but not with its usual status.
    status = 403


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for. `mac` is the hexadecimal HMAC-SHA1 of the rest, by the shared secret."""

    nonce: str
    username: str
    password: str
    is_admin: bool
    user_type: str | None
    displayname: str | None
    mac: str

    def signed(self) -> Iterator[str]:
        yield from (self.nonce, self.username, self.password)
        yield "admin" if self.is_admin else "notadmin"
        if self.user_type:
            yield self.user_type


class Nonces:
    """Numbers used once, within a minute."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self._clock = clock
        self._randomness = randomness
        self._expire_at: OrderedDict[str, float] = OrderedDict()

    def issue(self) -> str:
        self.forget_expired()
        nonce = self._randomness.bytes(_NONCE_BYTES).hex()
        self._expire_at[nonce] = self._clock.seconds() + _LIFE.total_seconds()
        if len(self._expire_at) > _MOST_NONCES:
            self._expire_at.popitem(last=False)
        return nonce

    def use(self, nonce: str) -> None:
        """Raises Unknown for one that was not issued in the last minute, or was used before."""
        self.forget_expired()
        if self._expire_at.pop(nonce, None) is None:
            raise Unknown("unrecognised nonce")

    def forget_expired(self) -> None:
        now = self._clock.seconds()
        while self._expire_at and next(iter(self._expire_at.values())) < now:
            self._expire_at.popitem(last=False)

    def __len__(self) -> int:
        return len(self._expire_at)


class SharedSecretRegistration:
    """Accounts, administrators' included, for whoever knows `secret`; None switches it off."""

    def __init__(
        self, secret: str | None, nonces: Nonces, usernames: Usernames, newcomers: Newcomers
    ) -> None:
        self._secret = secret
        self._nonces = nonces
        self._usernames = usernames
        self._newcomers = newcomers

    def check_enabled(self) -> None:
        """Raises Unknown where there is no secret."""
        if not self._secret:
            raise Unknown("Shared secret registration is not enabled")

    async def register(self, request: Request, session: PreparedSession | None) -> UserID:
        """Raises Unknown, HmacIncorrect, InvalidUsername or UserInUse."""
        self.check_enabled()
        self._nonces.use(request.nonce)
        self._check(request)
        user_id = await self._usernames.claim(request.username)
        await self._newcomers.add(
            user_id,
            displayname=request.displayname or localpart_of(user_id),
            password=request.password,
            is_admin=request.is_admin,
            user_type=request.user_type,
            session=session,
        )
        return user_id

    def _check(self, request: Request) -> None:
        assert self._secret, "register checks that there is one"
        # The separator must not be in the parts, or two requests could have one HMAC.
        if any("\0" in part for part in request.signed()):
            raise Unknown("Invalid username, password or user type")
        signed = "\0".join(request.signed()).encode()
        expected = hmac.new(self._secret.encode(), signed, "sha1").hexdigest()
        if not hmac.compare_digest(expected.encode(), request.mac.encode()):
            raise HmacIncorrect("HMAC incorrect")
        if not 0 < len(request.password) <= MAX_PASSWORD:
            raise Unknown("Invalid password")
        if request.user_type is not None and request.user_type not in _USER_TYPES:
            raise Unknown("Invalid user type")
