"""Client API: changing one's password and ending one's account.

https://spec.matrix.org/v1.19/client-server-api/#legacy-account-management
"""

from typing import Literal

import msgspec

from config.passwords import PasswordPolicy
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.contacts import Contacts
from homeserver.accounts.interactive_auth import Operation
from homeserver.accounts.password_reset import PasswordReset
from homeserver.accounts.passwords import check_new_password
from homeserver.accounts.reauthentication import Reauthentication
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import GuestAccessForbidden
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
        self,
        accounts: Accounts,
        contacts: Contacts,
        reauthentication: Reauthentication,
        reset: PasswordReset,
        policy: PasswordPolicy,
    ) -> None:
        self._accounts = accounts
        self._contacts = contacts
        self._reauthentication = reauthentication
        self._reset = reset
        self._policy = policy

    @endpoint("POST", "/_matrix/client/(v3|r0)/account/password", auth=Auth.OPTIONAL, limit=Limit.NONE)
    async def change_password(self, requester: Requester | None, body: PasswordBody) -> JsonObject:
        """Sets a new password and, unless told otherwise, ends all other sessions.

        Who has no session proves to read an address of the account instead.
        """
        check_new_password(body.new_password, self._policy)
        if requester is None:
            operation = Operation.of("POST /account/password", body, None)
            user_id = await self._reset.user(operation, body.auth)
        elif requester.is_guest:
            raise GuestAccessForbidden("Guests have no password")
        else:
            user_id = requester.user_id
            await self._reauthentication.require(requester, "POST /account/password", body, body.auth)
        await self._accounts.set_password(
            user_id,
            body.new_password,
            logout=body.logout_devices,
            keep_device=None if requester is None else requester.device_nid,
        )
        return {}

    @endpoint("POST", "/_matrix/client/(v3|r0)/account/deactivate", auth=Auth.USER, limit=Limit.NONE)
    async def deactivate(self, requester: Requester, body: DeactivationBody) -> Deactivated:
        """Ends the account for good."""
        await self._reauthentication.require(requester, "POST /account/deactivate", body, body.auth)
        unbound = await self._contacts.unbind_everything(requester.user_id, requester.user_nid)
        await self._accounts.deactivate(requester.user_id, erase=body.erase)
        return Deactivated("success" if unbound else "no-support")
