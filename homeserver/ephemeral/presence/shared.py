"""Who is told of whose presence: a memory of everybody who is there, by room, and of the latest changes."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from homeserver.ephemeral.presence.state import State, UserPresence
from homeserver.ephemeral.presence.store import all_present, presence_changes
from homeserver.protocol.identifiers import UserID
from homeserver.storage.database import Database

_LONGEST_LOG = 10_000


class Change(NamedTuple):
    """At `position`, somebody's presence became news in `rooms`."""

    position: int
    presence: UserPresence
    rooms: Collection[int]


class SharedPresence:
    """Users see the presence of those they share a room with.

    Telling a client costs what it is told, and one set operation for each change since it last asked. What is
    here can be read anew from the database at any time.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._present: dict[int, UserPresence] = {}
        self._rooms_of: dict[int, set[int]] = {}
        self._by_room: dict[int, set[int]] = {}
        self._log: deque[Change] = deque()
        self._floor = 0
        self._attempt: object | None = None
        self._is_loaded = False

    def start_at(self, position: int) -> None:
        """Nothing is known of changes up to `position`, nor of who is there."""
        self._log.clear()
        self._floor = position
        self._is_loaded, self._attempt = False, None

    async def load(self) -> None:
        """Makes sure that it is known who is there."""
        while not self._is_loaded:
            # Shared by all who load at the same time; a change meanwhile takes the attempt away.
            attempt = self._attempt = self._attempt or object()
            present, rooms = await self._db.read(all_present)
            if self._attempt is attempt:
                self._present = {one.user_nid: one for one in present}
                self._rooms_of, self._by_room = rooms, {}
                for user_nid, joined in rooms.items():
                    for room in joined:
                        self._by_room.setdefault(room, set()).add(user_nid)
                self._is_loaded, self._attempt = True, None

    def get(self, user_nid: int) -> UserPresence | None:
        """None for who is offline."""
        return self._present.get(user_nid)

    def everybody(self) -> Iterable[UserPresence]:
        return self._present.values()

    def changed(
        self, position: int, presences: Sequence[UserPresence], rooms: Mapping[int, set[int]]
    ) -> None:
        """Takes up what was stored at `position`; `rooms` are those that each of the users was joined to then."""
        self._attempt = None
        for one in presences:
            self._remember(Change(position, one, frozenset(rooms[one.user_nid])))
            for room in self._rooms_of.pop(one.user_nid, ()):
                self._by_room[room].discard(one.user_nid)
            self._present.pop(one.user_nid, None)
            if one.state is not State.OFFLINE:
                self._present[one.user_nid] = one
                for room in rooms[one.user_nid]:
                    self._enter(one.user_nid, room)

    def joined(self, user_nid: int, room: int, position: int) -> UserPresence | None:
        """Who is there becomes visible to the others in the room. None for who is not, or was so before."""
        self._attempt = None
        presence = self._present.get(user_nid)
        if presence is None or room in self._rooms_of.get(user_nid, ()):
            return None
        self._enter(user_nid, room)
        self._remember(Change(position, presence, (room,)))
        return presence

    def left(self, user_nid: int, room: int) -> None:
        self._attempt = None
        if room in self._rooms_of.get(user_nid, ()):
            self._rooms_of[user_nid].discard(room)
            self._by_room[room].discard(user_nid)

    def present_in(self, rooms: Iterable[int]) -> dict[UserID, UserPresence]:
        """Who is there of the members of the rooms."""
        found = {nid for room in rooms for nid in self._by_room.get(room, ())}
        return {one.user_id: one for one in map(self._present.__getitem__, found)}

    def may_have_changed(self, position: int) -> bool:
        """Whether anybody's presence may have changed after a position."""
        return position < self._floor or bool(self._log and self._log[-1].position > position)

    async def changes(self, position: int, rooms: Collection[int], own: int) -> dict[UserID, UserPresence]:
        """Whose presence changed after `position` of those in the rooms, and of the user `own`."""
        if position < self._floor:
            read = await self._db.read(presence_changes, list(rooms), position)
            return {one.user_id: one for one in read}
        joined = frozenset(rooms)
        found: dict[UserID, UserPresence] = {}
        for change in reversed(self._log):
            if change.position <= position:
                break
            is_theirs = change.presence.user_nid == own or not joined.isdisjoint(change.rooms)
            if is_theirs and change.presence.user_id not in found:
                found[change.presence.user_id] = change.presence
        return found

    def _enter(self, user_nid: int, room: int) -> None:
        self._rooms_of.setdefault(user_nid, set()).add(room)
        self._by_room.setdefault(room, set()).add(user_nid)

    def _remember(self, change: Change) -> None:
        self._log.append(change)
        if len(self._log) > _LONGEST_LOG:
            self._floor = self._log.popleft().position
