"""Client API: registering.

https://spec.matrix.org/v1.19/client-server-api/#legacy-account-registration
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from config.passwords import PasswordPolicy
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.interactive_auth import Flow, InteractiveAuth, Operation
from homeserver.accounts.passwords import check_new_password
from homeserver.accounts.registration import Admission, Usernames
from homeserver.accounts.sessions import PreparedSession, Sessions
from homeserver.accounts.signed_in import SignedIn, signed_in
from homeserver.accounts.stages import DummyStage
from homeserver.http.endpoint import Auth, Caller, Limit, endpoint
from homeserver.protocol.errors import Forbidden, MissingParam
from homeserver.protocol.identifiers import DeviceID, UserID, localpart_of
from homeserver.protocol.json import JsonObject

_FLOWS: Sequence[Flow] = [[DummyStage()]]


class RegistrationQuery(msgspec.Struct, frozen=True):
    kind: Literal["user", "guest"] = "user"


class RegistrationBody(msgspec.Struct, frozen=True, kw_only=True):
    auth: JsonObject | None = None
    username: str | None = None
    password: str | None = None
    device_id: DeviceID | None = None
    initial_device_display_name: str | None = None
    inhibit_login: bool = False
    refresh_token: bool = False


class AvailabilityQuery(msgspec.Struct, frozen=True):
    username: str


class Availability(msgspec.Struct, frozen=True):
    available: bool


class RegistrationEndpoints:
    """Accounts for strangers, where the server is open to them."""

    def __init__(
        self,
        admission: Admission,
        usernames: Usernames,
        interactive_auth: InteractiveAuth,
        accounts: Accounts,
        sessions: Sessions,
        policy: PasswordPolicy,
    ) -> None:
        self._admission = admission
        self._usernames = usernames
        self._interactive_auth = interactive_auth
        self._accounts = accounts
        self._sessions = sessions
        self._policy = policy

    # The limit counts accounts, not the requests that lead to one, so `Admission` applies it.
    @endpoint("POST", "/_matrix/client/(v3|r0)/register", auth=Auth.NONE, limit=Limit.NONE)
    async def register(self, caller: Caller, query: RegistrationQuery, body: RegistrationBody) -> SignedIn:
        """Makes an account after interactive authentication."""
        if query.kind == "guest":
            raise Forbidden("Guests are not admitted to this server")
        self._admission.check(caller.address)
        user_id = await self._checked(body)
        await self._interactive_auth.require(Operation.of("POST /register", body, None), _FLOWS, body.auth)
        if body.password is None:
            raise MissingParam("password is needed")
        self._admission.count(caller.address)
        session = self._session(body)
        await self._accounts.create(
            user_id, body.password, displayname=localpart_of(user_id), session=session
        )
        return signed_in(user_id, session)

    @endpoint("GET", "/_matrix/client/(v3|r0)/register/available", auth=Auth.NONE, limit=Limit.NONE)
    async def is_available(self, caller: Caller, query: AvailabilityQuery) -> Availability:
        """Tells whether a user name can be had."""
        self._admission.check(caller.address)
        await self._usernames.claim(query.username)
        return Availability(available=True)

    async def _checked(self, body: RegistrationBody) -> UserID:
        """What is wrong with a name or a password is told before the client goes through the stages."""
        user_id = (
            self._usernames.make_up() if body.username is None else await self._usernames.claim(body.username)
        )
        if body.password is not None:
            check_new_password(body.password, self._policy)
        return user_id

    def _session(self, body: RegistrationBody) -> PreparedSession | None:
        if body.inhibit_login:
            return None
        return self._sessions.prepare(
            body.device_id, body.initial_device_display_name, refreshable=body.refresh_token
        )
