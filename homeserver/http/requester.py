"""Who calls."""

from typing import Protocol

import msgspec

from config.rate_limits import RateLimit
from homeserver.protocol.errors import Unauthorized
from homeserver.protocol.identifiers import DeviceID, ServerName, UserID


class OwedConsent(msgspec.Struct, frozen=True):
    """What is told to somebody who has yet to accept the terms of the server, and where they can."""

    message: str
    consent_uri: str


class Requester(msgspec.Struct, frozen=True):
    """The user on whose behalf a request acts, and the device it came from.

    `device_nid` is the short id of the device; None where there is no device (an application service). `rate_limit` is
    how fast the user may send events, where that is not as for all others; at 0 per second nothing is limited for them.
    """

    user_id: UserID
    user_nid: int
    device_id: DeviceID | None
    device_nid: int | None
    is_guest: bool = False
    is_admin: bool = False
    is_locked: bool = False
    is_suspended: bool = False
    owed_consent: OwedConsent | None = None
    rate_limit: RateLimit | None = None
    token_hash: bytes = b""

    @property
    def is_limited(self) -> bool:
        """Whether rate limits count."""
        return self.rate_limit is None or self.rate_limit.per_second > 0


class Authenticator(Protocol):
    """Turns an access token into a requester. Implemented by `homeserver.accounts`."""

    async def requester(self, access_token: str, address: str, user_agent: str) -> Requester:
        """Raises UnknownToken."""


class ServerRequest(msgspec.Struct, frozen=True):
    """What another server signs of its request. `target` is path and query as they were sent."""

    method: str
    target: str
    authorization: str | None
    body: bytes


class ServerAuthenticator(Protocol):
    """Finds out which server has signed a request. Implemented by `federation`."""

    async def origin(self, request: ServerRequest) -> ServerName:
        """Raises Unauthorized, Forbidden, NotJson."""


class NoServers:
    """Authenticates nobody: for a dispatcher that no other server speaks to."""

    async def origin(self, request: ServerRequest) -> ServerName:
        raise Unauthorized("This server does not talk to others")
