"""Client API: changing one's password and ending one's account.

https://spec.matrix.org/v1.19/client-server-api/#legacy-account-management
"""

from typing import Literal

import msgspec

from config.passwords import PasswordPolicy
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.passwords import check_new_password
from homeserver.accounts.reauthentication import Reauthentication
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.json import JsonObject


class PasswordBody(msgspec.Struct, frozen=True, kw_only=True):
    new_password: str
    logout_devices: bool = True
    auth: JsonObject | None = None


class DeactivationBody(msgspec.Struct, frozen=True, kw_only=True):
    erase: bool = False
    id_server: str | None = None
    auth: JsonObject | None = None


class Deactivated(msgspec.Struct, frozen=True):
    id_server_unbind_result: Literal["success", "no-support"]


class AccountEndpoints:
    """The requester's own account."""

    def __init__(
        self, accounts: Accounts, reauthentication: Reauthentication, policy: PasswordPolicy
    ) -> None:
        self._accounts = accounts
        self._reauthentication = reauthentication
        self._policy = policy

    @endpoint("POST", "/_matrix/client/(v3|r0)/account/password", auth=Auth.USER, limit=Limit.NONE)
    async def change_password(self, requester: Requester, body: PasswordBody) -> JsonObject:
        """Sets a new password and, unless told otherwise, ends all other sessions."""
        check_new_password(body.new_password, self._policy)
        await self._reauthentication.require(requester, "POST /account/password", body, body.auth)
        await self._accounts.set_password(
            requester.user_id,
            body.new_password,
            logout=body.logout_devices,
            keep_device=requester.device_nid,
        )
        return {}

    @endpoint("POST", "/_matrix/client/(v3|r0)/account/deactivate", auth=Auth.USER, limit=Limit.NONE)
    async def deactivate(self, requester: Requester, body: DeactivationBody) -> Deactivated:
        """Ends the account for good."""
        await self._reauthentication.require(requester, "POST /account/deactivate", body, body.auth)
        await self._accounts.deactivate(requester.user_id, erase=body.erase)
        # There are no third-party identifiers, so all of them have been unbound.
        return Deactivated("success")
