"""Client API: profiles.

https://spec.matrix.org/v1.19/client-server-api/#profiles
"""

from homeserver.accounts.profile import check_key
from homeserver.accounts.profile_rules import ProfileRules
from homeserver.accounts.profiles import ProfileEditor, Profiles
from homeserver.accounts.remote_profiles import NoRemoteProfiles, RemoteProfiles
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, MissingParam, NotFound
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject

NOWHERE_ELSE = NoRemoteProfiles()
_FIELD = (
    "/_matrix/client/(v3|r0)/profile/{user_id}/{key}",
    "/_matrix/client/unstable/uk.tcpip.msc4133/profile/{user_id}/{key}",
)


class ProfileEndpoints:
    """Everybody may look at profiles, unless the operator decided otherwise; users change their own."""

    def __init__(
        self,
        profiles: Profiles,
        editor: ProfileEditor,
        rules: ProfileRules,
        elsewhere: RemoteProfiles = NOWHERE_ELSE,
    ) -> None:
        self._profiles = profiles
        self._rules = rules
        self._editor = editor
        self._elsewhere = elsewhere

    @endpoint("GET", "/_matrix/client/(v3|r0)/profile/{user_id}", auth=Auth.OPTIONAL, limit=Limit.PROFILE)
    async def profile(self, requester: Requester | None, user_id: UserID) -> JsonObject:
        """Tells all about a user that is in the profile."""
        await self._rules.check_may_look(requester, user_id)
        return await self._profile(user_id)

    @endpoint("GET", *_FIELD, auth=Auth.OPTIONAL, limit=Limit.PROFILE)
    async def profile_field(self, requester: Requester | None, user_id: UserID, key: str) -> JsonObject:
        """Tells one field of a profile."""
        check_key(key)
        await self._rules.check_may_look(requester, user_id)
        profile = await self._profile(user_id)
        if key not in profile:
            raise NotFound("This field is not in the profile")
        return {key: profile[key]}

    @endpoint("PUT", *_FIELD, auth=Auth.GUEST, limit=Limit.PROFILE, suspended=False)
    async def set_profile_field(
        self, requester: Requester, user_id: UserID, key: str, body: JsonObject
    ) -> JsonObject:
        """Sets one field of the requester's profile."""
        _check_own(requester, user_id)
        self._rules.check_may_change(requester, key)
        if key not in body:
            raise MissingParam(f"{key} is needed")
        await self._editor.set_field(user_id, key, body[key])
        return {}

    @endpoint("DELETE", *_FIELD, auth=Auth.GUEST, limit=Limit.PROFILE, suspended=False)
    async def remove_profile_field(self, requester: Requester, user_id: UserID, key: str) -> JsonObject:
        """Removes one field of the requester's profile."""
        _check_own(requester, user_id)
        self._rules.check_may_change(requester, key)
        await self._editor.remove_field(user_id, key)
        return {}

    async def _profile(self, user_id: UserID) -> JsonObject:
        profile = await self._profiles.get(user_id)
        return await self._elsewhere.profile(user_id) if profile is None else profile.as_json()


def _check_own(requester: Requester, user_id: UserID) -> None:
    if user_id != requester.user_id:
        raise Forbidden("This is the profile of another user")
