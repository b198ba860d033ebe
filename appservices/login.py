"""Application services log their users in.

https://spec.matrix.org/v1.19/client-server-api/#appservice-login
"""

from appservices.services import Services
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.login import LoginRequest, Proven
from homeserver.http.endpoint import Caller
from homeserver.protocol.errors import ExclusiveNamespace, Forbidden, MissingParam, MissingToken, UnknownToken
from homeserver.protocol.json import JsonObject


class ServiceMethod:
    """A `LoginMethod`."""

    type = "m.login.application_service"

    def __init__(self, services: Services, accounts: Accounts, domains: LocalDomains) -> None:
        self._services = services
        self._accounts = accounts
        self._domains = domains

    def flow(self) -> JsonObject:
        return {}

    async def prove(self, request: LoginRequest, caller: Caller) -> Proven:
        """Raises MissingToken, UnknownToken, MissingParam, ExclusiveNamespace, Forbidden."""
        if caller.access_token is None:
            raise MissingToken("An application service logs users in with its token")
        service = self._services.by_token(caller.access_token)
        if service is None:
            raise UnknownToken("This is no token of an application service", soft_logout=False)
        user = _named(request)
        if user is None:
            raise MissingParam("identifier must name the user")
        user_id = self._domains.full_user_id(user)
        if not service.may_be(user_id):
            raise ExclusiveNamespace("The user is in no namespace of the application service")
        account = await self._accounts.find(user_id)
        if account is None:
            raise Forbidden("The application service has not registered this user")
        return Proven(account.user_nid, account.user_id)


def _named(request: LoginRequest) -> str | None:
    identifier = request.identifier
    if identifier is None:
        return request.user
    return identifier.user if identifier.type == "m.id.user" else None
