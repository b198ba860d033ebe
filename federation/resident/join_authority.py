"""Letting users of other servers into rooms for members of other rooms.

https://spec.matrix.org/v1.19/server-server-api/#restricted-rooms
"""

from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.errors import Forbidden, UnableToAuthoriseJoin
from homeserver.protocol.event import Event
from homeserver.protocol.event_signatures import sign_event
from homeserver.protocol.identifiers import USER_ID, RoomID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.membership_auth import AUTHORISED_VIA
from homeserver.protocol.signing import EventSigner
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.joining import Joining
from homeserver.rooms.store.inhabitants import is_inhabited
from homeserver.storage.database import Database


class JoinAuthority:
    def __init__(
        self, joining: Joining, heads: Heads, domains: LocalDomains, signer: EventSigner, db: Database
    ) -> None:
        self._joining = joining
        self._heads = heads
        self._domains = domains
        self._signer = signer
        self._db = db

    async def content(self, head: Head, user_id: UserID) -> JsonObject:
        """What a join of the user has to say.

        Raises UnableToGrantJoin, UnableToAuthoriseJoin, and Forbidden where the user is in none of the rooms.
        """
        try:
            return await self._joining.authorised(head, user_id, {"membership": "join"})
        except Forbidden as error:
            allowed = await self._joining.allowed_rooms(head)
            if not allowed or await self._knows_any(allowed):
                raise
            raise UnableToAuthoriseJoin("This server is in none of the rooms that matter") from error

    async def signed(self, head: Head, join: Event) -> Event:
        """A join that somebody here is said to authorise, with our signature, if that is so.

        Raises what `content` does.
        """
        via = join.content.get(AUTHORISED_VIA)
        if not head.version.restricted or not self._is_local(via):
            return join
        if await self._joining.needs_authorisation(head, join.sender):
            await self.content(head, join.sender)
        return sign_event(join, self._signer)

    async def _knows_any(self, room_ids: tuple[RoomID, ...]) -> bool:
        """Whether somebody of this server is in one of the rooms: who has left does not know who came."""
        for room_id in room_ids:
            if await self._heads.is_known(room_id):
                room = await self._heads.nid_of(room_id)
                if await self._db.read(is_inhabited, room):
                    return True
        return False

    def _is_local(self, user_id: object) -> bool:
        is_user = isinstance(user_id, str) and USER_ID.fullmatch(user_id) is not None
        return is_user and self._domains.is_local(str(user_id))
