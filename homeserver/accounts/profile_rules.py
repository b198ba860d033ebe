"""Who may look at whose profile, and what users may change of their own."""

from typing import Protocol

from config.people import People
from homeserver.accounts.profile import DISPLAYNAME
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, GuestAccessForbidden, MissingToken
from homeserver.protocol.identifiers import UserID
from homeserver.storage.dictionary import Dictionary


class Acquaintance(Protocol):
    """Who knows whom. Implemented by `homeserver.rooms`."""

    async def share_a_room(self, user_nid: int, other_nid: int) -> bool:
        """Whether both users are joined to the same room."""


class ProfileRules:
    """What the operator decided about profiles."""

    def __init__(self, settings: People, users: Dictionary[UserID], acquaintance: Acquaintance) -> None:
        self._settings = settings
        self._users = users
        self._acquaintance = acquaintance

    async def check_may_look(self, requester: Requester | None, user_id: UserID) -> None:
        """Raises MissingToken or Forbidden."""
        if not self._settings.profiles_need_login:
            return
        if requester is None:
            raise MissingToken("Log in to look at profiles")
        if not self._settings.profiles_need_room or requester.user_id == user_id:
            return
        user_nid = await self._users.find(user_id)
        if user_nid is None or not await self._acquaintance.share_a_room(requester.user_nid, user_nid):
            raise Forbidden("You share no room with this user")

    def check_may_change(self, requester: Requester, key: str) -> None:
        """Raises Forbidden, and GuestAccessForbidden for all but the name of a guest."""
        if requester.is_guest and key != DISPLAYNAME:
            raise GuestAccessForbidden("Guests may only change their name")
        if key in self._settings.fixed_fields and not requester.is_admin:
            raise Forbidden(f"{key} cannot be changed on this server")
