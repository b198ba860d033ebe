"""What rooms ask of application services: users and rooms that are made when they are asked for.

https://spec.matrix.org/v1.19/application-service-api/#querying
"""

from typing import Protocol

from homeserver.protocol.identifiers import RoomAlias, UserID


class MadeOnDemand(Protocol):
    """Implemented by `appservices`. Both take a bounded time, and never fail."""

    async def make_user(self, user_id: UserID) -> bool:
        """Whether a service has just made the user, as it was asked about it; not for one who is there."""

    async def make_alias(self, alias: RoomAlias) -> bool:
        """Whether a service has just made a room with the alias, as it was asked about it."""


class NothingOnDemand:
    """Without application services, there is what there is."""

    async def make_user(self, user_id: UserID) -> bool:
        return False

    async def make_alias(self, alias: RoomAlias) -> bool:
        return False


NOTHING_ON_DEMAND = NothingOnDemand()
