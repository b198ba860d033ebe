"""Proofs that somebody reads an address: a link is sent there, and whoever opens it confirms.

https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3registeremailrequesttoken
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from urllib.parse import urlencode, urlsplit

from config.email import Addresses
from homeserver.accounts.address import Address
from homeserver.accounts.store.validations import (
    NewValidation,
    Validation,
    confirm_validation,
    delete_expired_validations,
    upsert_validation,
    validation,
    validation_by_token,
)
from homeserver.accounts.tokens import token_hash
from homeserver.protocol.errors import InvalidParam
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.storage.database import Database

CONFIRM_PATH = "/_folkmoot/v1/address/confirm"

Purpose = Literal["registration", "add_threepid", "password_reset"]

_SID_LENGTH = 32
_TOKEN_LENGTH = 40
# https://spec.matrix.org/v1.19/appendices/#opaque-identifiers
_SECRET = re.compile(r"[0-9a-zA-Z.=_-]{1,255}")
# For so long what was confirmed can be used.
_CONFIRMED_LIFETIME = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asks for. `client_secret` lets it, and nobody else, use what will be confirmed."""

    purpose: Purpose
    address: Address
    client_secret: str
    send_attempt: int
    next_link: str | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """`link` is to be sent to the address; None where that was done before for the same attempt."""

    sid: str
    link: str | None


class Validations:
    """Begins, confirms and checks them. What is confirmed for one purpose is good for no other."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        randomness: Randomness,
        settings: Addresses,
        lifetime: timedelta,
        base_url: str,
    ) -> None:
        """`base_url` ends with a slash."""
        self._db = db
        self._clock = clock
        self._randomness = randomness
        self._settings = settings
        self._lifetime_ms = lifetime // timedelta(milliseconds=1)
        self._base_url = base_url

    async def begin(self, wish: Wish) -> Begun:
        """Raises InvalidParam where the secret is malformed, or the next link must not be followed."""
        if _SECRET.fullmatch(wish.client_secret) is None:
            raise InvalidParam("client_secret has 1 to 255 characters of 0-9 a-z A-Z .=_-")
        if wish.next_link is not None:
            self._check_next_link(wish.next_link)
        token = self._randomness.token(_TOKEN_LENGTH)
        new = NewValidation(
            sid=self._randomness.token(_SID_LENGTH),
            purpose=wish.purpose,
            address=wish.address,
            secret_hash=token_hash(wish.client_secret),
            token_hash=token_hash(token),
            send_attempt=wish.send_attempt,
            next_link=wish.next_link,
            expires_at=self._clock.now_ms() + self._lifetime_ms,
        )
        sid, is_new = await self._db.write(upsert_validation, new, self._clock.now_ms())
        query = urlencode({"sid": sid, "token": token})
        return Begun(sid, f"{self._base_url.rstrip('/')}{CONFIRM_PATH}?{query}" if is_new else None)

    async def waiting(self, sid: str, token: str) -> Validation | None:
        """That which a link belongs to, unless it has expired."""
        return await self._db.read(validation_by_token, sid, token_hash(token), self._clock.now_ms())

    async def confirm(self, sid: str, token: str) -> Validation | None:
        """Notes that who holds the link reads the address; None where the link is not good (any more)."""
        now = self._clock.now_ms()
        until = now + _CONFIRMED_LIFETIME // timedelta(milliseconds=1)
        return await self._db.write(confirm_validation, sid, token_hash(token), now, until)

    async def confirmed(self, purpose: Purpose, sid: str, client_secret: str) -> Validation | None:
        """That which the client with this secret began, once it is confirmed."""
        found = await self._db.read(validation, sid, token_hash(client_secret), self._clock.now_ms())
        if found is None or found.purpose != purpose or found.validated_at is None:
            return None
        return found

    async def forget_expired(self) -> None:
        """For an hourly task."""
        await self._db.write(delete_expired_validations, self._clock.now_ms())

    def _check_next_link(self, next_link: str) -> None:
        try:
            parts = urlsplit(next_link)
        except ValueError:
            raise InvalidParam("next_link is no URL") from None
        domains = self._settings.next_link_domains
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidParam("next_link must begin with http:// or https://")
        if domains is not None and parts.hostname not in domains:
            raise InvalidParam("next_link leads to a host that this server does not lead to")
