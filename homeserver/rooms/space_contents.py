"""What is in spaces, in memory: whoever walks through one asks for all of its children, however many."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from homeserver.rooms.appends import Accepted
from homeserver.rooms.redactions import may_redact
from homeserver.rooms.store.hierarchy import Child, contents_of
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

_CHILD_BYTES = 300


@dataclass(frozen=True, slots=True)
class _Contents:
    """`rooms` are the short ids of those children that are known here."""

    space: int
    children: Sequence[Child]
    rooms: frozenset[int]

    def size(self) -> int:
        return (1 + len(self.children)) * _CHILD_BYTES


class SpaceContents:
    """A projection without a table: it only listens, for what `SpaceChildren` writes."""

    def __init__(self, db: Database, budget: int) -> None:
        """`budget` is in bytes."""
        self._db = db
        self._known: ByteBudgetCache[int, _Contents] = ByteBudgetCache(budget)
        self._loading: dict[int, object] = {}

    def start_at(self, _: int) -> None:
        """Nothing is known, whatever was known before."""
        self._known.clear()
        self._loading.clear()

    async def of(self, spaces: Collection[int]) -> dict[int, Sequence[Child]]:
        """The children of each space (short ids), in the order in which clients show them.

        Rooms that came to be known since a space was read are still unknown among its children.
        """
        found = {space: known.children for space in spaces if (known := self._known.get(space)) is not None}
        unread = [space for space in spaces if space not in found]
        return {**found, **await self._read(unread)} if unread else found

    async def _read(self, spaces: Sequence[int]) -> Mapping[int, Sequence[Child]]:
        attempts = {space: self._loading.setdefault(space, object()) for space in spaces}
        read = await self._db.read(contents_of, spaces)
        for space, attempt in attempts.items():
            # A change that came while the space was read took the attempt away.
            if self._loading.get(space) is attempt:
                del self._loading[space]
                self._keep(space, read[space])
        return read

    def _keep(self, space: int, children: Sequence[Child]) -> None:
        rooms = frozenset(child.room for child in children if child.room is not None)
        contents = _Contents(space, children, rooms)
        if contents.size() <= self._known.budget:
            self._known.put(space, contents, contents.size())

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Nothing to write."""

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        """Forgets the spaces whose children changed, and those that say of them whether they have any."""
        for event in events:
            if any(change.event is None or change.event.type == "m.space.child" for change in event.changes):
                self._loading.clear()
                self._forget(event.room)
                for parent in [known.space for known in self._known.values() if event.room in known.rooms]:
                    self._forget(parent)
            elif may_redact(event.event):
                self._forget(event.room)
        return ()

    def _forget(self, space: int) -> None:
        self._known.discard(space)
        self._loading.pop(space, None)
