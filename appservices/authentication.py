"""Requests of application services, which act for their users.

https://spec.matrix.org/v1.19/application-service-api/#identity-assertion
"""

from collections.abc import Callable

from appservices.registration import AppService
from appservices.services import Services
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.devices import Devices
from homeserver.accounts.store.accounts import Account
from homeserver.http.requester import NOBODY_ELSE, ActingAs, Authenticator, Requester, ServiceRights
from homeserver.protocol.errors import Forbidden, NotFound, UnknownDevice, UserInUse
from homeserver.protocol.identifiers import DeviceID, UserID, localpart_of


class ServiceAuthenticator:
    """Implements `homeserver.http.requester.Authenticator`; tokens that it does not know are those of users."""

    def __init__(
        self,
        services: Services,
        users: Authenticator,
        accounts: Accounts,
        devices: Devices,
        is_alive: Callable[[str], None],
    ) -> None:
        """`is_alive` is told of services (their IDs) that ask for something."""
        self._services = services
        self._is_alive = is_alive
        self._users = users
        self._accounts = accounts
        self._devices = devices

    async def requester(
        self, access_token: str, address: str, user_agent: str, acting_as: ActingAs = NOBODY_ELSE
    ) -> Requester:
        """Raises Forbidden, UnknownDevice, UnknownToken."""
        service = self._services.by_token(access_token)
        if service is None:
            return await self._users.requester(access_token, address, user_agent, acting_as)
        self._is_alive(service.id)
        user_id = service.sender if acting_as.user_id is None else UserID(acting_as.user_id)
        if not service.may_be(user_id):
            raise Forbidden("The user is in no namespace of the application service")
        account = await self._account(service, user_id)
        device_id, device_nid = await self._device(account, acting_as.device_id)
        return Requester(
            user_id=user_id,
            user_nid=account.user_nid,
            device_id=device_id,
            device_nid=device_nid,
            is_admin=account.is_admin,
            is_locked=account.locked_at is not None,
            is_suspended=account.suspended_at is not None,
            service=ServiceRights(
                id=service.id,
                is_limited=service.registration.rate_limited and user_id != service.sender,
            ),
        )

    async def make_sender(self, service: AppService) -> None:
        """Sees to it that the service's own user exists."""
        try:
            await self._accounts.create(service.sender, None, displayname=localpart_of(service.sender))
        except UserInUse:
            return

    async def _account(self, service: AppService, user_id: UserID) -> Account:
        account = await self._accounts.find(user_id)
        if account is None and user_id == service.sender:
            await self.make_sender(service)
            account = await self._accounts.find(user_id)
        if account is None or account.deactivated_at is not None:
            raise Forbidden("The application service has not registered this user")
        return account

    async def _device(self, account: Account, device_id: str | None) -> tuple[DeviceID | None, int | None]:
        if device_id is None:
            return None, None
        try:
            device = await self._devices.get(account.user_nid, DeviceID(device_id))
        except NotFound:
            raise UnknownDevice("The user has no such device") from None
        return device.device_id, device.nid
