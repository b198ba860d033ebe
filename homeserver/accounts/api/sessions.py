"""Client API: renewing and ending sessions.

https://spec.matrix.org/v1.19/client-server-api/#refreshing-access-tokens
"""

import msgspec

from homeserver.accounts.devices import Devices
from homeserver.accounts.sessions import Sessions
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import DeviceID, UserID
from homeserver.protocol.json import JsonObject


class RefreshBody(msgspec.Struct, frozen=True):
    refresh_token: str


class Refreshed(msgspec.Struct, frozen=True, omit_defaults=True):
    access_token: str
    refresh_token: str | None = None
    expires_in_ms: int | None = None


class TokenOwner(msgspec.Struct, frozen=True):
    user_id: UserID
    is_guest: bool
    device_id: DeviceID | msgspec.UnsetType = msgspec.UNSET


class SessionEndpoints:
    """The session of the token that a client has."""

    def __init__(self, sessions: Sessions, devices: Devices) -> None:
        self._sessions = sessions
        self._devices = devices

    # Who has a good refresh token may use it; guessing one is out of the question. So there is no limit.
    @endpoint("POST", "/_matrix/client/(v3|r0)/refresh", auth=Auth.NONE, limit=Limit.NONE)
    async def refresh(self, body: RefreshBody) -> Refreshed:
        """Exchanges a refresh token for new tokens."""
        tokens = await self._sessions.refresh(body.refresh_token)
        return Refreshed(tokens.access_token, tokens.refresh_token, tokens.expires_in_ms)

    @endpoint("POST", "/_matrix/client/(v3|r0)/logout", auth=Auth.LEAVING, limit=Limit.NONE)
    async def logout(self, requester: Requester) -> JsonObject:
        """Ends the session and deletes its device."""
        if requester.device_id is not None:
            await self._devices.delete(requester.user_nid, [requester.device_id])
        return {}

    @endpoint("POST", "/_matrix/client/(v3|r0)/logout/all", auth=Auth.LEAVING, limit=Limit.NONE)
    async def logout_all(self, requester: Requester) -> JsonObject:
        """Ends all sessions of the user and deletes all devices."""
        await self._devices.delete_all(requester.user_nid)
        return {}

    @endpoint("GET", "/_matrix/client/(v3|r0)/account/whoami", auth=Auth.GUEST, limit=Limit.NONE)
    async def whoami(self, requester: Requester) -> TokenOwner:
        """Tells whose the access token is."""
        device_id = msgspec.UNSET if requester.device_id is None else requester.device_id
        return TokenOwner(requester.user_id, requester.is_guest, device_id)
