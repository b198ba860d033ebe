"""How much users have not read, in memory: that of a member grows with what notifies everybody in the room.

https://spec.matrix.org/v1.19/client-server-api/#receiving-notifications
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from homeserver.protocol.push_evaluation import Verdict
from homeserver.push.store.counts import ByThread, Count, Unread, unread
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database
from homeserver.streams.journal import Journal

_ENTRY_BYTES = 400
_THREAD_BYTES = 200
_MOST_TALLIES = 10_000
_MOST_THREADS = 50
"""Of one room that are counted in memory; with more it is begun anew."""

_NONE = Count()


class Happening(NamedTuple):
    """What an event does to the counts of a room: to those of most, of whom it is otherwise, of who sent it."""

    thread: str
    usual: Verdict
    exceptions: frozenset[int] = frozenset()
    speaker: int | None = None


class ChangesOfUser(Protocol):
    """Something that counts depend on, and that users change."""

    def changed_after(self, user_nid: int, position: int) -> bool:
        """Whether it may have changed after `position`."""


class OwnReceipts(Protocol):
    def moved_after(self, room_nid: int, user_nid: int, position: int) -> bool:
        """Whether receipts of the user in the room may have moved after `position`."""


@dataclass(slots=True)
class _Tally:
    """How many events of a room have notified most of its members since it was begun."""

    threads: dict[str, Count] = field(default_factory=dict)


@dataclass(slots=True)
class _Entry:
    """A member's counts at `position`, less the room's tally then: the sum of both stays true.

    In a silent room the tally does not count.
    """

    position: int
    tally: _Tally
    silent: bool
    less_tally: dict[str, Count]

    def counts(self) -> ByThread:
        if self.silent or not self.tally.threads:
            return self.less_tally
        threads = self.tally.threads
        return {
            thread: threads.get(thread, _NONE).plus(self.less_tally.get(thread, _NONE))
            for thread in threads.keys() | self.less_tally.keys()
        }

    def clear(self, thread: str) -> None:
        """The member has read all of a thread."""
        now = _NONE if self.silent else self.tally.threads.get(thread, _NONE)
        self.less_tally[thread] = _NONE.minus(now)


_Member = tuple[int, int]
"""Room and user, by short ids."""


class _Start(NamedTuple):
    """How things stood when reading began."""

    attempt: object
    tally: _Tally
    threads: Mapping[str, Count]


class UnreadCounts:
    """Counts of members. Reads the database where memory does not know."""

    def __init__(
        self,
        db: Database,
        journal: Journal,
        receipts: OwnReceipts,
        sources: Collection[ChangesOfUser],
        budget: int,
    ) -> None:
        """`sources` are what a user's counts in all rooms depend on; `budget` is in bytes."""
        self._db = db
        self._journal = journal
        self._receipts = receipts
        self._sources = sources
        self._tallies: dict[int, _Tally] = {}
        self._entries: ByteBudgetCache[_Member, _Entry] = ByteBudgetCache(budget)
        self._reading: dict[_Member, object] = {}

    def start_at(self, _: int) -> None:
        """Called once the journal has started."""
        self.forget_all()

    def forget_all(self) -> None:
        """Nothing is known, whatever was known before."""
        self._tallies.clear()
        self._entries.clear()
        self._reading.clear()

    async def of(self, user_nid: int, rooms: Collection[int]) -> Mapping[int, ByThread]:
        """What the user has not read by now in rooms that the user is in, by room."""
        # Of the same moment as the tallies.
        upto = self._journal.position
        found: dict[int, ByThread] = {}
        missing: dict[int, _Start] = {}
        for room in rooms:
            entry = self._entries.get((room, user_nid))
            if entry is not None and self._is_valid(entry, room, user_nid):
                found[room] = entry.counts()
            else:
                missing[room] = self._begin((room, user_nid))
        if missing:
            read = await self._db.read(unread, user_nid, list(missing), upto)
            found |= read.rooms
            for room, start in missing.items():
                self._keep((room, user_nid), start, read, upto)
        return found

    def follow(self, room: int, happening: Happening) -> None:
        """An event was stored."""
        for user_nid in happening.exceptions:
            self.forget_member(room, user_nid)
        tally = self._tallies.get(room)
        if tally is None:
            return
        if happening.usual.notify:
            one = Count(1, int(happening.usual.highlight))
            tally.threads[happening.thread] = tally.threads.get(happening.thread, _NONE).plus(one)
            if len(tally.threads) > _MOST_THREADS:
                self.forget_room(room)
        if happening.speaker is not None:
            self._reading.pop((room, happening.speaker), None)
            entry = self._entries.get((room, happening.speaker))
            if entry is not None and entry.tally is tally:
                entry.clear(happening.thread)

    def forget_member(self, room: int, user_nid: int) -> None:
        """Something happened to one member alone."""
        self._entries.discard((room, user_nid))
        self._reading.pop((room, user_nid), None)

    def forget_room(self, room: int) -> None:
        """Something happened that is not simply one event more."""
        self._tallies.pop(room, None)

    def _is_valid(self, entry: _Entry, room: int, user_nid: int) -> bool:
        return (
            self._tallies.get(room) is entry.tally
            and not self._receipts.moved_after(room, user_nid, entry.position)
            and not any(source.changed_after(user_nid, entry.position) for source in self._sources)
        )

    def _begin(self, member: _Member) -> _Start:
        if len(self._tallies) > _MOST_TALLIES:
            self._tallies.clear()
        tally = self._tallies.setdefault(member[0], _Tally())
        attempt = self._reading.setdefault(member, object())
        return _Start(attempt, tally, dict(tally.threads))

    def _keep(self, member: _Member, start: _Start, read: Unread, upto: int) -> None:
        """Unless something happened meanwhile that concerns this member alone, or is not in the tally."""
        room, _ = member
        if self._reading.get(member) is not start.attempt:
            return
        del self._reading[member]
        # What is ignored is in the tally all the same.
        if self._tallies.get(room) is start.tally and not read.ignores:
            silent = room in read.silent
            less = _less(read.rooms[room], {} if silent else start.threads)
            entry = _Entry(upto, start.tally, silent, less)
            self._entries.put(member, entry, _ENTRY_BYTES + _THREAD_BYTES * len(less))


def _less(counts: ByThread, tally: Mapping[str, Count]) -> dict[str, Count]:
    return {
        thread: counts.get(thread, _NONE).minus(tally.get(thread, _NONE))
        for thread in counts.keys() | tally.keys()
    }
