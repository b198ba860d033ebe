"""Client API: searching for users."""

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import UserID
from homeserver.search.user_directory import UserDirectory


class UserSearch(msgspec.Struct):
    search_term: str
    limit: int = 10


class FoundUser(msgspec.Struct, omit_defaults=True):
    user_id: UserID
    display_name: str | None = None
    avatar_url: str | None = None


class FoundUsers(msgspec.Struct):
    results: list[FoundUser]
    limited: bool


class UserDirectoryEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3user_directorysearch"""

    def __init__(self, directory: UserDirectory) -> None:
        self._directory = directory

    @endpoint(
        "POST",
        "/_matrix/client/(v3|r0)/user_directory/search",
        auth=Auth.USER,
        limit=Limit.USER_DIRECTORY,
    )
    async def search(self, requester: Requester, body: UserSearch) -> FoundUsers:
        """Finds users by their names and IDs."""
        matches = await self._directory.search(requester, body.search_term, body.limit)
        users = [FoundUser(user.user_id, user.displayname, user.avatar_url) for user in matches.users]
        return FoundUsers(users, matches.limited)
