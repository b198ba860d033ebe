"""Who in a room has pushers, in memory: a message in a room where nobody has any costs nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from homeserver.push.store.pushers import Pusher, pushers_of
from homeserver.push.store.recipients import Recipient, recipients_in
from homeserver.push.unread import ChangesOfUser
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_ENTRY_BYTES, _RECIPIENT_BYTES, _PUSHER_BYTES = 300, 300, 2_500

Audience = Mapping[int, Recipient]
"""Those in a room who have pushers, by user."""


@dataclass(slots=True)
class _Entry:
    """What was read at `position`; of the users that are `stale` it may be something else by now."""

    position: int
    audience: dict[int, Recipient]
    stale: set[int] = field(default_factory=set)


class Recipients:
    """Reads the database where memory does not know."""

    def __init__(self, db: Database, sources: Collection[ChangesOfUser], budget: int) -> None:
        """`sources` are what it depends on besides memberships and pushers; `budget` is in bytes."""
        self._db = db
        self._sources = sources
        self._rooms: ByteBudgetCache[int, _Entry] = ByteBudgetCache(budget // 2)
        self._pushers: ByteBudgetCache[int, Sequence[Pusher]] = ByteBudgetCache(budget // 2)
        # What was read while something changed is not kept.
        self._changes = 0

    def clear(self) -> None:
        """Nothing is known, whatever was known before."""
        self._changes += 1
        self._rooms.clear()
        self._pushers.clear()

    def may_be_in(self, room: int) -> bool:
        """Whether somebody in the room may have pushers."""
        entry = self._rooms.get(room)
        return entry is None or bool(entry.audience or entry.stale)

    def moved(self, room: int, user_nid: int) -> None:
        """The user has come into the room, or left it."""
        self._changes += 1
        entry = self._rooms.get(room)
        if entry is not None:
            entry.stale.add(user_nid)

    def forget_user(self, user_nid: int) -> None:
        """The user's pushers have changed."""
        self._changes += 1
        self._pushers.discard(user_nid)
        for entry in self._rooms.values():
            entry.stale.add(user_nid)

    async def of(self, rooms: Collection[int], position: int) -> Mapping[int, Audience]:
        """The audiences of rooms, as they are at `position` at least."""
        entries = {room: self._rooms.get(room) for room in rooms}
        missing = [room for room, entry in entries.items() if entry is None]
        if missing:
            changes = self._changes
            for room, audience in (await self._db.read(recipients_in, missing)).items():
                fresh = entries[room] = _Entry(position, audience)
                if self._changes == changes:
                    self._keep(room, fresh)
        for room, entry in entries.items():
            if entry is not None and (users := self._changed(entry)):
                await self._renew(room, entry, users, position)
        return {room: entry.audience for room, entry in entries.items() if entry is not None}

    async def pushers(self, users: Collection[int]) -> Mapping[int, Sequence[Pusher]]:
        """The active pushers of users."""
        found = {user: self._pushers.get(user) for user in users}
        missing = [user for user, pushers in found.items() if pushers is None]
        if missing:
            changes = self._changes
            for user, pushers in (await self._db.read(_active_pushers, missing)).items():
                found[user] = pushers
                if self._changes == changes:
                    self._pushers.put(user, pushers, _ENTRY_BYTES + _PUSHER_BYTES * len(pushers))
        return {user: pushers for user, pushers in found.items() if pushers}

    def _changed(self, entry: _Entry) -> set[int]:
        position, sources = entry.position, self._sources
        changed = {
            user for user in entry.audience for source in sources if source.changed_after(user, position)
        }
        return changed | entry.stale

    async def _renew(self, room: int, entry: _Entry, wanted: set[int], position: int) -> None:
        entry.stale -= wanted
        read = await self._db.read(recipients_in, [room], wanted)
        others = {user: one for user, one in entry.audience.items() if user not in wanted}
        entry.audience = {**others, **read[room]}
        entry.position = position
        if self._rooms.get(room) is entry:
            self._keep(room, entry)

    def _keep(self, room: int, entry: _Entry) -> None:
        self._rooms.put(room, entry, _ENTRY_BYTES + _RECIPIENT_BYTES * len(entry.audience))


def _active_pushers(txn: Transaction, users: Collection[int]) -> dict[int, list[Pusher]]:
    found = pushers_of(txn, users)
    return {user: [one for one in pushers if one.is_active] for user, pushers in found.items()}
