"""Admin API: making accounts by a shared secret.

https://element-hq.github.io/synapse/latest/admin_api/register_api.html
"""

import msgspec

from homeserver.accounts.sessions import Sessions
from homeserver.accounts.signed_in import SignedIn, signed_in
from homeserver.admin.shared_secret_registration import Nonces, Request, SharedSecretRegistration
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.errors import BadJson
from homeserver.protocol.identifiers import DeviceID


class NonceAnswer(msgspec.Struct, frozen=True):
    nonce: str


class SharedSecretBody(msgspec.Struct, frozen=True, kw_only=True):
    nonce: str | None = None
    username: str | None = None
    password: str | None = None
    mac: str | None = None
    admin: bool | None = None
    user_type: str | None = None
    displayname: str | None = None
    device_id: DeviceID | None = None
    initial_device_display_name: str | None = None
    inhibit_login: bool = False
    refresh_token: bool = False


class SharedSecretEndpoints:
    """Used by tools that set up servers. The secret is the limit."""

    def __init__(self, registration: SharedSecretRegistration, nonces: Nonces, sessions: Sessions) -> None:
        self._registration = registration
        self._nonces = nonces
        self._sessions = sessions

    @endpoint("GET", "/_synapse/admin/v1/register", auth=Auth.NONE, limit=Limit.NONE)
    async def nonce(self) -> NonceAnswer:
        """Gives a nonce that is good for one registration within a minute."""
        return NonceAnswer(self._nonces.issue())

    @endpoint("POST", "/_synapse/admin/v1/register", auth=Auth.NONE, limit=Limit.NONE)
    async def register(self, body: SharedSecretBody) -> SignedIn:
        """Makes an account, and a session on it unless told otherwise."""
        self._registration.check_enabled()
        request = _request(body)
        session = None
        if not body.inhibit_login:
            session = self._sessions.prepare(
                body.device_id, body.initial_device_display_name, refreshable=body.refresh_token
            )
        user_id = await self._registration.register(request, session)
        return signed_in(user_id, session)


def _request(body: SharedSecretBody) -> Request:
    return Request(
        nonce=_given(body.nonce, "nonce"),
        username=_given(body.username, "username"),
        password=_given(body.password, "password"),
        mac=_given(body.mac, "mac"),
        is_admin=bool(body.admin),
        user_type=body.user_type,
        displayname=body.displayname,
    )


def _given(value: str | None, name: str) -> str:
    # COMPAT(synapse): M_BAD_JSON here, where the client API says M_MISSING_PARAM.
    if value is None:
        raise BadJson(f"{name} must be specified")
    return value
