"""Who may join a room by what this server knows: guests, and the members of rooms that its rule names.

https://spec.matrix.org/v1.19/client-server-api/#restricted-rooms and #guest-access
"""

from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.errors import Forbidden, GuestAccessForbidden, UnableToGrantJoin
from homeserver.protocol.identifiers import RoomID, ServerName, UserID, server_of
from homeserver.protocol.json import JsonObject
from homeserver.protocol.membership_auth import AUTHORISED_VIA
from homeserver.protocol.power_levels import levels_by_key, power_levels
from homeserver.rooms.descriptions import allowed_rooms
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.members import Members
from homeserver.rooms.store.inhabitants import inhabitants, inhabited
from homeserver.storage.database import Database

_CREATE = ("m.room.create", "")
_POWER_LEVELS = ("m.room.power_levels", "")
_JOIN_RULES = ("m.room.join_rules", "")
_GUEST_ACCESS = ("m.room.guest_access", "")
_MOST_ASKED = 20


class Joining:
    """What this server decides before the rules of the room do."""

    def __init__(self, heads: Heads, members: Members, domains: LocalDomains, db: Database) -> None:
        self._heads = heads
        self._members = members
        self._domains = domains
        self._db = db

    async def membership(self, head: Head, user_id: UserID) -> str | None:
        slot = ("m.room.member", str(user_id))
        await self._heads.load(head, [slot])
        event = head.get(slot)
        return None if event is None else event.membership

    async def check_guest(self, head: Head) -> None:
        """Raises GuestAccessForbidden where the room is closed to guests."""
        await self._heads.load(head, [_GUEST_ACCESS])
        event = head.get(_GUEST_ACCESS)
        if event is None or event.content.get("guest_access") != "can_join":
            raise GuestAccessForbidden("Guests may not join this room")

    async def authorised(self, head: Head, user_id: UserID, content: JsonObject) -> JsonObject:
        """The content of a join with who authorises it, where the room's rule asks for that.

        Raises Forbidden for who is in none of the rooms that the rule names, and UnableToGrantJoin where nobody
        of this server has the power to let others in.
        """
        plain = {key: value for key, value in content.items() if key != AUTHORISED_VIA}
        if not await self.needs_authorisation(head, user_id):
            return plain
        if not await self.is_in_any(user_id, await self.allowed_rooms(head)):
            raise Forbidden("You are in none of the rooms whose members may join this one")
        return {**plain, AUTHORISED_VIA: await self._authorising_user(head)}

    async def needs_authorisation(self, head: Head, user_id: UserID) -> bool:
        """Whether the user can join only as a member of another room."""
        await self._heads.load(head, [_JOIN_RULES])
        return _is_restricted(head) and await self.membership(head, user_id) not in ("join", "invite")

    async def allowed_rooms(self, head: Head) -> tuple[RoomID, ...]:
        """The rooms whose members may join this one."""
        await self._heads.load(head, [_JOIN_RULES])
        rules = head.get(_JOIN_RULES)
        return () if rules is None else allowed_rooms(rules.content)

    async def is_in_any(self, user_id: UserID, room_ids: tuple[RoomID, ...]) -> bool:
        """Whether the user is joined to one of the rooms; nobody knows who is in those that this server has left."""
        joined = set(room_ids) & await self._members.joined_room_ids(user_id)
        rooms = [await self._heads.nid_of(room_id) for room_id in joined]
        return bool(rooms and await self._db.read(inhabited, rooms))

    async def authorising_servers(self, head: Head) -> list[ServerName]:
        """Other servers, of users who have the power to let others in and are in the room."""
        await self._heads.load(head, [_CREATE, _POWER_LEVELS])
        levels, named = power_levels(head.state, head.version), head.get(_POWER_LEVELS)
        users = {} if named is None else levels_by_key(named.content, "users")
        candidates = [UserID(user_id) for user_id in users if ":" in user_id and not self._is_local(user_id)]
        servers = []
        for user_id in sorted(candidates, key=levels.user, reverse=True)[:_MOST_ASKED]:
            if levels.user(user_id) >= levels.invite and await self.membership(head, user_id) == "join":
                servers.append(ServerName(server_of(user_id)))
        return servers

    async def _authorising_user(self, head: Head) -> UserID:
        """A local user in the room who may invite; of those with levels of their own, the most powerful."""
        await self._heads.load(head, [_CREATE, _POWER_LEVELS])
        levels = power_levels(head.state, head.version)
        create, named = head.get(_CREATE), head.get(_POWER_LEVELS)
        assert create is not None, "every room has a create event"
        candidates = {str(create.sender)}
        if named is not None:
            candidates.update(levels_by_key(named.content, "users"))
        local = [UserID(user_id) for user_id in candidates if self._is_local(user_id)]
        for user_id in sorted(local, key=levels.user, reverse=True):
            if levels.user(user_id) >= levels.invite and await self.membership(head, user_id) == "join":
                return user_id
        for user_id in await self._db.read(inhabitants, head.nid):
            if levels.user(user_id) >= levels.invite:
                return user_id
        raise UnableToGrantJoin("Nobody of this server can let you into the room")

    def _is_local(self, user_id: str) -> bool:
        # Nothing keeps the keys of power levels from being no user IDs.
        return ":" in user_id and self._domains.is_local(user_id)


def _is_restricted(head: Head) -> bool:
    event = head.get(_JOIN_RULES)
    rule = None if event is None else event.content.get("join_rule")
    if rule == "knock_restricted":
        return head.version.knock_restricted
    return rule == "restricted" and head.version.restricted
