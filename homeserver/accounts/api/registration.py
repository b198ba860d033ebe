"""Client API: registering.

https://spec.matrix.org/v1.19/client-server-api/#legacy-account-registration
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from config.passwords import PasswordPolicy
from homeserver.accounts.interactive_auth import Flow, InteractiveAuth, Operation
from homeserver.accounts.newcomers import Newcomers
from homeserver.accounts.passwords import check_new_password
from homeserver.accounts.registration import Admission, Usernames
from homeserver.accounts.registration_tokens import RegistrationTokens
from homeserver.accounts.sessions import PreparedSession, Sessions
from homeserver.accounts.signed_in import SignedIn, signed_in
from homeserver.http.endpoint import Auth, Caller, Limit, endpoint
from homeserver.http.requester import Authenticator
from homeserver.protocol.errors import Forbidden, MissingParam
from homeserver.protocol.identifiers import DeviceID, UserID, localpart_of
from homeserver.protocol.json import JsonObject

_APPLICATION_SERVICE = "m.login.application_service"


class RegistrationQuery(msgspec.Struct, frozen=True):
    kind: Literal["user", "guest"] = "user"


class RegistrationBody(msgspec.Struct, frozen=True, kw_only=True):
    auth: JsonObject | None = None
    type: str | None = None
    username: str | None = None
    password: str | None = None
    device_id: DeviceID | None = None
    initial_device_display_name: str | None = None
    inhibit_login: bool = False
    refresh_token: bool = False
    guest_access_token: str | None = None


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
        flows: Sequence[Flow],
        newcomers: Newcomers,
        sessions: Sessions,
        authenticator: Authenticator,
        policy: PasswordPolicy,
    ) -> None:
        self._admission = admission
        self._usernames = usernames
        self._interactive_auth = interactive_auth
        self._flows = flows
        self._newcomers = newcomers
        self._sessions = sessions
        self._authenticator = authenticator
        self._policy = policy

    # The limit counts accounts, not the requests that lead to one, so `Admission` applies it.
    @endpoint("POST", "/_matrix/client/(v3|r0)/register", auth=Auth.NONE, limit=Limit.NONE)
    async def register(self, caller: Caller, query: RegistrationQuery, body: RegistrationBody) -> SignedIn:
        """Makes an account after interactive authentication, or lets a guest in without."""
        if query.kind == "guest":
            return await self._register_guest(caller, body)
        if body.type == _APPLICATION_SERVICE:
            return await self._register_for_service(caller, body)
        self._admission.check(caller.address)
        user_id = await self._checked(caller, body)
        completed = await self._interactive_auth.require(
            Operation.of("POST /register", body, None), self._flows, body.auth
        )
        if body.password is None:
            raise MissingParam("password is needed")
        self._admission.count(caller.address)
        session, session_id = self._session(body), (body.auth or {}).get("session")
        if body.guest_access_token is not None:
            await self._newcomers.upgrade_guest(
                user_id, body.password, completed, session_id, session=session
            )
        else:
            name = localpart_of(user_id)
            await self._newcomers.register(
                user_id, body.password, completed, session_id, displayname=name, session=session
            )
        return signed_in(user_id, session)

    @endpoint("GET", "/_matrix/client/(v3|r0)/register/available", auth=Auth.NONE, limit=Limit.NONE)
    async def is_available(self, caller: Caller, query: AvailabilityQuery) -> Availability:
        """Tells whether a user name can be had."""
        self._admission.check(caller.address)
        await self._usernames.claim(query.username)
        return Availability(available=True)

    async def _register_guest(self, caller: Caller, body: RegistrationBody) -> SignedIn:
        """Of what the client asks for, only the name of the device counts."""
        self._admission.count_guest(caller.address)
        session = self._sessions.prepare(None, body.initial_device_display_name, refreshable=False)
        user_id = self._usernames.make_up_guest()
        await self._newcomers.add_guest(user_id, session)
        return signed_in(user_id, session)

    async def _register_for_service(self, caller: Caller, body: RegistrationBody) -> SignedIn:
        """https://spec.matrix.org/v1.19/application-service-api/#server-admin-style-permissions"""
        if body.username is None:
            raise MissingParam("username is needed")
        user_id = self._usernames.claim_for_service(body.username, caller.access_token)
        session = self._session(body)
        await self._newcomers.add_for_service(user_id, session)
        return signed_in(user_id, session)

    async def _checked(self, caller: Caller, body: RegistrationBody) -> UserID:
        """What is wrong with a name or a password is told before the client goes through the stages."""
        if body.password is not None:
            check_new_password(body.password, self._policy)
        if body.guest_access_token is not None:
            return await self._guest(caller, body.guest_access_token, body.username)
        return (
            self._usernames.make_up() if body.username is None else await self._usernames.claim(body.username)
        )

    async def _guest(self, caller: Caller, access_token: str, username: str | None) -> UserID:
        """The guest who wants to be a user. Raises Forbidden where it is another, or no guest."""
        guest = await self._authenticator.requester(access_token, caller.address, caller.user_agent)
        if not guest.is_guest or username != localpart_of(guest.user_id):
            raise Forbidden("guest_access_token must be that of the guest whom username names")
        return guest.user_id

    def _session(self, body: RegistrationBody) -> PreparedSession | None:
        if body.inhibit_login:
            return None
        return self._sessions.prepare(
            body.device_id, body.initial_device_display_name, refreshable=body.refresh_token
        )


class ValidityQuery(msgspec.Struct, frozen=True):
    token: str


class Validity(msgspec.Struct, frozen=True):
    valid: bool


class RegistrationTokenEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#token-authenticated-registration"""

    def __init__(self, admission: Admission, tokens: RegistrationTokens) -> None:
        self._admission = admission
        self._tokens = tokens

    @endpoint(
        "GET",
        "/_matrix/client/v1/register/m.login.registration_token/validity",
        "/_matrix/client/unstable/org.matrix.msc3231/register/org.matrix.msc3231.login.registration_token/validity",
        auth=Auth.NONE,
        limit=Limit.REGISTRATION_TOKEN_VALIDITY,
    )
    async def is_valid(self, query: ValidityQuery) -> Validity:
        """Tells whether a registration token is valid now."""
        self._admission.check_open()
        return Validity(await self._tokens.is_valid(query.token))
