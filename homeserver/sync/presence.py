"""Presence in /sync: of whom a client is told, from memory.

https://spec.matrix.org/v1.19/client-server-api/#presence
"""

from collections.abc import Mapping, Sequence

from homeserver.ephemeral.presence.shared import SharedPresence
from homeserver.ephemeral.presence.state import UserPresence
from homeserver.http.requester import Requester
from homeserver.protocol.filters import EventFilter
from homeserver.protocol.identifiers import UserID
from homeserver.rooms.store.members import MemberRow


class PresenceNews:
    """Users are told of themselves and of those they share a room with, of nobody where `is_on` is false."""

    def __init__(self, shared: SharedPresence, *, is_on: bool) -> None:
        self._shared = shared
        self._is_on = is_on

    def changed_after(self, position: int) -> bool:
        """Whether anybody's presence may have changed after `position`."""
        return self._is_on and self._shared.may_have_changed(position)

    async def everybody(
        self, requester: Requester, rooms: Mapping[int, MemberRow], wanted: EventFilter
    ) -> Sequence[UserPresence]:
        """Those who are there, for a client that knows nothing yet."""
        if not self._is_on:
            return ()
        await self._shared.load()
        found = self._shared.present_in(_joined(rooms))
        own = self._shared.get(requester.user_nid)
        if own is not None:
            found[own.user_id] = own
        return _passing(found, wanted)

    async def after(
        self,
        requester: Requester,
        rooms: Mapping[int, MemberRow],
        position: int,
        wanted: EventFilter,
    ) -> Sequence[UserPresence]:
        """What changed after `position`, and who is there in rooms that the requester came into since then."""
        if not self._is_on:
            return ()
        await self._shared.load()
        joined = _joined(rooms)
        found = await self._shared.changes(position, joined, requester.user_nid)
        new = [room for room in joined if rooms[room].since > position]
        return _passing(self._shared.present_in(new) | found, wanted)


def _joined(rooms: Mapping[int, MemberRow]) -> list[int]:
    return [room for room, member in rooms.items() if member.membership == "join"]


def _passing(found: Mapping[UserID, UserPresence], wanted: EventFilter) -> list[UserPresence]:
    passing = [one for user_id, one in sorted(found.items()) if wanted.passes("m.presence", user_id)]
    return passing if wanted.limit is None else passing[: wanted.limit]
