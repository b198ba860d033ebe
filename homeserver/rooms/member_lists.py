"""The member events of rooms whose members are asked for, in memory: clients ask for all of them, however many."""

from collections.abc import Iterable, Sequence

from homeserver.rooms.appends import Accepted
from homeserver.rooms.state import members_at
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.view import CURRENT
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic


class MemberLists:
    """A projection without a table: it only listens. Messages change nothing in it."""

    def __init__(self, db: Database, budget: int) -> None:
        """`budget` is in bytes."""
        self._db = db
        self._lists: ByteBudgetCache[int, Sequence[TimelineEvent]] = ByteBudgetCache(budget)
        self._loading: dict[int, object] = {}

    def start_at(self, _: int) -> None:
        """Nothing is known, whatever was known before."""
        self._lists.clear()
        self._loading.clear()

    async def of(self, room: int) -> Sequence[TimelineEvent]:
        """The current member events of a room (short id)."""
        known = self._lists.get(room)
        if known is not None:
            return known
        # Shared by all who read at the same time: otherwise each would take the attempt from another.
        attempt = self._loading.setdefault(room, object())
        events = await self._db.read(members_at, room, CURRENT)
        # A change that came while the events were read took the attempt away.
        if self._loading.get(room) is attempt:
            del self._loading[room]
            size = sum(event.size() for event in events)
            if size <= self._lists.budget:
                self._lists.put(room, events, size)
        return events

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Nothing to write."""

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        """Forgets rooms whose state changed, and those of redactions: what is read anew is pruned."""
        for event in events:
            if event.changes or event.event.type == "m.room.redaction":
                self._lists.discard(event.room)
                self._loading.pop(event.room, None)
        return ()
