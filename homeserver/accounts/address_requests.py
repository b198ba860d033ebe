"""Requests of clients to confirm an address, answered so that nobody learns who has an account.

https://spec.matrix.org/v1.19/client-server-api/#adding-account-administrative-contact-information
"""

import re
from collections.abc import Mapping

from config.email import Addresses, Email
from config.rate_limits import RateLimit
from homeserver.accounts.address import Address
from homeserver.accounts.store.addresses import owner_of_address
from homeserver.accounts.validations import Purpose, Validations, Wish
from homeserver.email.mailer import Mailer
from homeserver.http.limits import RateLimiter
from homeserver.protocol.errors import (
    ThreepidDenied,
    ThreepidInUse,
    ThreepidMediumNotSupported,
    ThreepidNotFound,
)
from homeserver.storage.database import Database


class AddressRequests:
    """Sends links by e-mail. Phone numbers cannot be confirmed: nobody here sends messages to them."""

    def __init__(
        self,
        db: Database,
        validations: Validations,
        mailer: Mailer | None,
        addresses: Addresses,
        email: Email,
        limiter: RateLimiter,
        limit: RateLimit,
    ) -> None:
        """Without a `mailer` no address can be confirmed. `limit` is for each address, and each who asks."""
        self._db = db
        self._validations = validations
        self._mailer = mailer
        self._addresses = addresses
        self._subjects: Mapping[Purpose, str] = {
            "registration": email.validation_subject,
            "add_threepid": email.validation_subject,
            "password_reset": email.password_reset_subject,
        }
        self._in_use_subject = email.in_use_subject
        self._limiter = limiter
        self._limit = limit

    async def ask(self, wish: Wish, asker: str) -> str:
        """The session ID by which the client goes on. `asker` is the network address of who asks.

        Raises ThreepidMediumNotSupported, ThreepidDenied, InvalidParam, LimitExceeded; and, only where the operator
        wants it so, ThreepidInUse and ThreepidNotFound.
        """
        if self._mailer is None or wish.address.medium != "email":
            raise ThreepidMediumNotSupported("Such addresses cannot be confirmed on this server")
        self._check_allowed(wish.address)
        for key in (asker, wish.address.address):
            self._limiter.check("third_party_validation", self._limit, key)
        has_owner = await self._db.read(owner_of_address, wish.address) is not None
        if not self._addresses.inhibit_errors:
            _check_owner(wish.purpose, has_owner)
        begun = await self._validations.begin(wish)
        if begun.link is not None:
            self._tell(self._mailer, wish, begun.link, has_owner)
        return begun.sid

    def _tell(self, mailer: Mailer, wish: Wish, link: str, has_owner: bool) -> None:
        if has_owner == (wish.purpose == "password_reset"):
            mailer.send(wish.address.address, self._subjects[wish.purpose], wish.purpose, link=link)
        elif has_owner:
            mailer.send(wish.address.address, self._in_use_subject, "already_in_use")

    def _check_allowed(self, address: Address) -> None:
        allowed = self._addresses.allowed
        if allowed and not any(
            rule.medium == address.medium and re.match(rule.pattern, address.address) for rule in allowed
        ):
            raise ThreepidDenied("Such addresses are not allowed on this server")


def _check_owner(purpose: Purpose, has_owner: bool) -> None:
    if purpose == "password_reset" and not has_owner:
        raise ThreepidNotFound("No account has this address")
    if purpose != "password_reset" and has_owner:
        raise ThreepidInUse("This address belongs to an account")
