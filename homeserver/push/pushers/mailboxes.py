"""Pushers of kind email: who may have one, and who has one from the beginning."""

from collections.abc import Collection

from homeserver.accounts.newcomers import Welcome
from homeserver.protocol.errors import InvalidParam, ThreepidNotFound
from homeserver.protocol.identifiers import UserID
from homeserver.push.pushers.registering import Pushers
from homeserver.push.store.mail import addresses_of_user, is_address_of
from homeserver.push.store.pushers import EMAIL, NewPusher
from homeserver.storage.database import Database

EMAIL_APP = "m.email"
"""https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3pushersset"""


class MailboxKind:
    """See `carrier.PusherKind`."""

    is_activated = False

    def __init__(self, db: Database) -> None:
        self._db = db

    async def check(self, user_nid: int, new: NewPusher) -> None:
        """Raises InvalidParam, ThreepidNotFound where the address is not the user's."""
        if new.app_id != EMAIL_APP:
            raise InvalidParam(f"The app_id of an e-mail pusher is {EMAIL_APP}")
        if not await self._db.read(is_address_of, user_nid, new.pushkey):
            raise ThreepidNotFound("This address does not belong to your account")

    async def activate(self, pusher: NewPusher, token: str) -> None:
        """These are active from the beginning."""


class MailboxesOfNewcomers:
    """Those who register with an address are told by e-mail of what they miss (a Welcome)."""

    def __init__(self, pushers: Pushers, db: Database) -> None:
        self._pushers = pushers
        self._db = db

    async def welcome(self, user_id: UserID, *, is_guest: bool) -> None:
        for user_nid, address in await self._db.read(addresses_of_user, user_id):
            await self._pushers.add(
                user_nid,
                NewPusher(
                    app_id=EMAIL_APP,
                    pushkey=address,
                    kind=EMAIL,
                    device_nid=None,
                    app_display_name="Email Notifications",
                    device_display_name=address,
                    profile_tag=None,
                    lang="en",
                    data={},
                    enabled=True,
                ),
            )


class AllWelcome:
    """Several who welcome, one after the other."""

    def __init__(self, several: Collection[Welcome]) -> None:
        self._several = several

    async def welcome(self, user_id: UserID, *, is_guest: bool) -> None:
        for one in self._several:
            await one.welcome(user_id, is_guest=is_guest)
