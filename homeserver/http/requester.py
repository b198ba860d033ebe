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


class ServiceRights(msgspec.Struct, frozen=True):
    """That an application service acts for a user, also where users must show who they are.

    https://spec.matrix.org/v1.19/application-service-api/#identity-assertion
    """

    id: str
    is_limited: bool = True


class ActingAs(msgspec.Struct, frozen=True):
    """The user and the device that an application service names, where it speaks for another than itself."""

    user_id: str | None = None
    device_id: str | None = None


IDENTITY_PARAMETERS = ("user_id", "device_id", "org.matrix.msc3202.device_id")
"""In the query of an application service's request: for whom it acts."""
NOBODY_ELSE = ActingAs()


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
    service: ServiceRights | None = None

    @property
    def scope(self) -> int:
        """Within which transaction IDs differ: the device, or the user where a service names no device."""
        return -self.user_nid if self.device_nid is None else self.device_nid

    @property
    def is_limited(self) -> bool:
        """Whether rate limits count."""
        is_free = self.rate_limit is not None and self.rate_limit.per_second == 0
        return not is_free and (self.service is None or self.service.is_limited)


class Authenticator(Protocol):
    """Turns an access token into a requester. Implemented by `homeserver.accounts`."""

    async def requester(
        self, access_token: str, address: str, user_agent: str, acting_as: ActingAs = NOBODY_ELSE
    ) -> Requester:
        """`acting_as` counts for application services only. Raises UnknownToken, and what it cannot be, Forbidden."""


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
