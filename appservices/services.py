"""The application services of this server, as they are registered now."""

from collections.abc import Iterable, Sequence

from appservices.registration import AppService, Registration
from homeserver.accounts.tokens import token_hash
from homeserver.protocol.errors import ExclusiveNamespace, MissingToken, UnknownToken
from homeserver.protocol.identifiers import RoomAlias, ServerName, UserID


class Services:
    """Also says which names they keep to themselves (`homeserver.accounts.reserved_names`)."""

    def __init__(self, server_name: ServerName, registrations: Iterable[Registration] = ()) -> None:
        self._server_name = server_name
        self.all: Sequence[AppService] = ()
        self._by_token: dict[bytes, AppService] = {}
        self.replace(registrations)

    def replace(self, registrations: Iterable[Registration]) -> None:
        """The services are these from now on."""
        self.all = tuple(AppService(one, self._server_name) for one in registrations)
        # By hashes, so that how long it takes to find one says nothing of a token.
        self._by_token = {token_hash(one.registration.as_token): one for one in self.all}

    def telling_ephemeral(self) -> list[AppService]:
        """Those that are sent what happens beside events."""
        return [one for one in self.all if one.wants_ephemeral and one.registration.url is not None]

    def telling_of_keys(self) -> list[AppService]:
        """Those that are sent whose keys changed."""
        return [one for one in self.all if one.registration.wants_keys and one.registration.url is not None]

    def by_id(self, service_id: str) -> AppService | None:
        return next((service for service in self.all if service.id == service_id), None)

    def by_token(self, access_token: str) -> AppService | None:
        return self._by_token.get(token_hash(access_token))

    def check_user(self, user_id: UserID) -> None:
        """See `ReservedNames`."""
        if any(service.owns_user(user_id) for service in self.all):
            raise ExclusiveNamespace("This user ID is reserved for an application service")

    def check_alias(self, alias: RoomAlias, user_id: UserID) -> None:
        """See `ReservedNames`."""
        for service in self.all:
            if service.aliases.match_exclusively(alias) and not service.may_be(user_id):
                raise ExclusiveNamespace("This alias is reserved for an application service")

    def check_registration(self, access_token: str | None, user_id: UserID) -> None:
        """See `ReservedNames`."""
        if access_token is None:
            raise MissingToken("An application service registers users with its token")
        service = self.by_token(access_token)
        if service is None:
            raise UnknownToken("This is no token of an application service", soft_logout=False)
        others = (other for other in self.all if other is not service)
        if not service.may_be(user_id) or any(other.owns_user(user_id) for other in others):
            raise ExclusiveNamespace("This user ID is in no namespace of the application service")
