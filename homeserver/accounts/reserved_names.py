"""Names that application services keep to themselves.

https://spec.matrix.org/v1.19/application-service-api/#registration
"""

from typing import Protocol

from homeserver.protocol.errors import UnknownToken
from homeserver.protocol.identifiers import RoomAlias, UserID


class ReservedNames(Protocol):
    """Implemented by `appservices`."""

    def check_user(self, user_id: UserID) -> None:
        """Raises ExclusiveNamespace where only a service may make the user."""

    def check_alias(self, alias: RoomAlias, user_id: UserID) -> None:
        """Raises ExclusiveNamespace where only a service may have the alias, and the user is none of its users."""

    def check_registration(self, access_token: str | None, user_id: UserID) -> None:
        """For a service that registers a user. Raises MissingToken, UnknownToken, ExclusiveNamespace."""


class NothingReserved:
    """Without application services, names are for all."""

    def check_user(self, user_id: UserID) -> None: ...

    def check_alias(self, alias: RoomAlias, user_id: UserID) -> None: ...

    def check_registration(self, access_token: str | None, user_id: UserID) -> None:
        raise UnknownToken("No application service is registered here", soft_logout=False)


NOTHING_RESERVED = NothingReserved()
