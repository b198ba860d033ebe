"""What somebody may know of a room without being in it: its summary, and that it is in a space.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomshierarchy
"""

from collections.abc import Mapping
from typing import NamedTuple

from homeserver.http.requester import Requester
from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import RoomID
from homeserver.rooms.head import Heads
from homeserver.rooms.members import Members
from homeserver.rooms.store.descriptions import Described, descriptions_of
from homeserver.rooms.store.members import MemberRow
from homeserver.storage.database import Database


class Visitor(NamedTuple):
    """Somebody's memberships by the short ids of rooms, and the rooms that they are joined to."""

    memberships: Mapping[int, MemberRow]
    joined: frozenset[RoomID]

    def membership(self, room: int) -> str | None:
        row = self.memberships.get(room)
        return None if row is None else row.membership

    def may_preview(self, room: Described) -> bool:
        """Whoever is in the room, could enter or ask to, or look into it."""
        says = room.says
        membership = self.membership(says.room)
        if says.world_readable or membership in ("join", "invite"):
            return True
        # Who is banned cannot enter, whatever the join rule.
        if membership == "ban":
            return False
        is_open = says.join_rule in ("public", "knock", "knock_restricted")
        return is_open or not self.joined.isdisjoint(says.allowed)


class Summary(NamedTuple):
    room: Described
    membership: str | None


class Previews:
    """Room summaries, and who may see which."""

    def __init__(self, heads: Heads, members: Members, db: Database) -> None:
        self._heads = heads
        self._members = members
        self._db = db

    async def visitor(self, requester: Requester | None) -> Visitor:
        """None is for somebody who is not signed in."""
        if requester is None:
            return Visitor({}, frozenset())
        rooms = await self._members.rooms_of(requester.user_nid)
        joined = frozenset(row.room_id for row in rooms.values() if row.membership == "join")
        return Visitor(rooms, joined)

    async def summary(self, requester: Requester | None, room_id: RoomID) -> Summary:
        """Raises NotFound, also for rooms of which the requester may know nothing."""
        room = await self._heads.nid_of(room_id)
        visitor = await self.visitor(requester)
        described = (await self._db.read(descriptions_of, [room])).get(room)
        if described is None or not visitor.may_preview(described):
            raise NotFound("This room is not known here, or closed to you")
        return Summary(described, visitor.membership(room))
