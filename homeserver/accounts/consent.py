"""Whether users accepted the terms of the server, and where they do so.

https://spec.matrix.org/v1.19/client-server-api/#common-error-codes, M_CONSENT_NOT_GIVEN
"""

import hmac
from urllib.parse import urlencode

from config.registration import Terms
from homeserver.accounts.domains import LocalDomains
from homeserver.http.requester import OwedConsent
from homeserver.protocol.identifiers import UserID, localpart_of

# Types of users who are no people.
_EXEMPT = ("bot", "support")


class Consent:
    """Asks for the newest version of the terms, where the operator wants everybody to have accepted it."""

    def __init__(self, settings: Terms, domains: LocalDomains, base_url: str, secret: bytes) -> None:
        """`base_url` ends with a slash. `secret` signs links, so that nobody accepts terms for others."""
        self._settings = settings
        self._domains = domains
        self._base_url = base_url
        self._secret = secret

    def owed(self, user_id: UserID, user_type: str | None, accepted: str | None) -> OwedConsent | None:
        """What is told to a user who has yet to accept the terms. `accepted` is the version that they did."""
        message = self._settings.block_events_error
        if message is None or accepted == self._settings.version or user_type in _EXEMPT:
            return None
        # COMPAT(synapse): the same links, which stay good when a server comes from there.
        user = localpart_of(user_id)
        uri = f"{self._base_url}_matrix/consent?{urlencode({'u': user, 'h': self.signature(user)})}"
        # What else the operator wrote is text, and no instruction to format it.
        return OwedConsent(message.replace("%(consent_uri)s", uri), uri)

    def signature(self, user: str) -> str:
        """Of a user in a link, who is named by localpart or ID."""
        return hmac.digest(self._secret, user.encode(errors="replace"), "sha256").hex()

    def user(self, user: str, signature: str) -> UserID | None:
        """Whom a link is for; None where we did not make it."""
        if not hmac.compare_digest(self.signature(user).encode(), signature.encode(errors="replace")):
            return None
        return self._domains.full_user_id(user)
