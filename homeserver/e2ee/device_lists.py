"""Changes of device lists: who has new keys, told to all who share a room with them.

https://spec.matrix.org/v1.19/client-server-api/#tracking-the-device-list-for-a-user
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from homeserver.e2ee.key_cache import KeyCache
from homeserver.e2ee.store.device_lists import EVERYBODY, ListChange, upsert_list_changes
from homeserver.protocol.identifiers import UserID
from homeserver.rooms.members import Members
from homeserver.runtime.clock import Clock
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal, Placed, Topic

_REMEMBERED = 1_000

Change = Callable[[Transaction], bool]
"""Changes keys and says whether others can see that it did. It may run more than once."""


class KeyOwner(NamedTuple):
    """Whose keys they are; the user may be remote."""

    user_id: UserID
    user_nid: int


class RecentChange(NamedTuple):
    """`rooms` are those in which the owner is joined."""

    position: int
    owner: KeyOwner
    seen_by: int
    rooms: frozenset[int]


class ListChangeListener(Protocol):
    """Who tells others than the clients of this server. Implemented by federation and appservices."""

    def changed(self, txn: Transaction, owner: KeyOwner, position: int) -> None:
        """Everybody sees new keys of the owner; in the same transaction, and perhaps twice."""

    def stored(self, position: int) -> None:
        """After the commit, in the reactor's thread."""


class AllListen:
    """Several who listen, one after the other."""

    def __init__(self, listeners: Sequence[ListChangeListener]) -> None:
        self._listeners = listeners

    def changed(self, txn: Transaction, owner: KeyOwner, position: int) -> None:
        for listener in self._listeners:
            listener.changed(txn, owner, position)

    def stored(self, position: int) -> None:
        for listener in self._listeners:
            listener.stored(position)


@dataclass(slots=True)
class _Entry:
    owner: KeyOwner
    seen_by: int
    rooms: frozenset[int]
    change: Change
    visible: bool = False


class _ListChanges:
    """How changes are stored (an EntryKind): with what changed, and one row for each user."""

    def __init__(self, cache: KeyCache, listener: ListChangeListener, clock: Clock) -> None:
        self._cache = cache
        self._listener = listener
        self._clock = clock
        self.recent: deque[RecentChange] = deque()
        self.complete_after = 0

    def count(self, entry: _Entry) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[_Entry]]) -> None:
        now = self._clock.now_ms()
        for placed in batch:
            entry = placed.entry
            entry.visible = entry.change(txn)
            if entry.visible and entry.seen_by == EVERYBODY:
                self._listener.changed(txn, entry.owner, placed.position)
        upsert_list_changes(
            txn,
            [
                ListChange(placed.entry.owner.user_nid, placed.entry.seen_by, placed.position, now)
                for placed in batch
                if placed.entry.visible
            ],
        )

    def stored(self, batch: Sequence[Placed[_Entry]]) -> Iterable[Topic]:
        topics: set[Topic] = set()
        for placed in batch:
            entry = placed.entry
            if not entry.visible:
                continue
            self.recent.append(RecentChange(placed.position, entry.owner, entry.seen_by, entry.rooms))
            self._cache.discard(entry.owner.user_id, entry.owner.user_nid, entry.seen_by)
            if entry.seen_by == EVERYBODY:
                self._listener.stored(placed.position)
                topics.add(("user", entry.owner.user_nid))
                topics.update(("room", room) for room in entry.rooms)
            else:
                topics.add(("user", entry.seen_by))
        while len(self.recent) > _REMEMBERED:
            self.complete_after = self.recent.popleft().position
        return topics


class DeviceLists:
    """The one way in which keys that others see are changed.

    A change costs one row, and wakes the topics ("user", …) and ("room", …) of the owner, whatever their number.
    """

    def __init__(
        self,
        journal: Journal,
        members: Members,
        cache: KeyCache,
        listener: ListChangeListener,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._members = members
        self._cache = cache
        self._changes = _ListChanges(cache, listener, clock)

    def start_at(self, position: int) -> None:
        """Called once the journal has started: changes up to `position` are only in the database."""
        self._cache.clear()
        self._changes.recent.clear()
        self._changes.complete_after = position

    async def change(self, owner: KeyOwner, change: Change, *, seen_by: int = EVERYBODY) -> None:
        """Runs `change` and tells of it; `seen_by` is the short id of the only user to be told.

        Raises what `change` does.
        """
        rooms = await self._members.rooms_of(owner.user_nid)
        joined = frozenset(nid for nid, member in rooms.items() if member.membership == "join")
        await self._journal.append(self._changes, _Entry(owner, seen_by, joined, change))

    def recent_after(self, position: int) -> list[RecentChange] | None:
        """The changes after `position`, newest first; None where memory does not reach back so far."""
        if position < self._changes.complete_after:
            return None
        found = []
        for change in reversed(self._changes.recent):
            if change.position <= position:
                break
            found.append(change)
        return found
