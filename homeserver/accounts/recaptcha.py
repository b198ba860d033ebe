"""Telling people from machines by Google's reCAPTCHA.

https://developers.google.com/recaptcha/docs/verify
"""

import logging
from urllib.parse import urlencode

from homeserver.http.outbound import Outbound, RequestFailed
from homeserver.protocol.errors import ServerUnavailable

log = logging.getLogger(__name__)


class Recaptcha:
    """Asks whether an answer was right."""

    def __init__(self, outbound: Outbound, url: str, private_key: str) -> None:
        self._outbound = outbound
        self._url = url
        self._private_key = private_key

    async def is_human(self, response: str) -> bool:
        """Raises ServerUnavailable where nobody can be asked."""
        body = urlencode({"secret": self._private_key, "response": response}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            answer = await self._outbound.request(
                "POST", self._url, purpose="recaptcha", headers=headers, body=body
            )
            verdict = answer.json()
        except RequestFailed as error:
            log.warning("a reCAPTCHA could not be verified: %s", error)
            raise ServerUnavailable("reCAPTCHAs cannot be verified at the moment") from error
        return isinstance(verdict, dict) and verdict.get("success") is True
