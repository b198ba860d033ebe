"""The one counter that numbers everything a client or a server may wait for.

Entries are numbered and stored in commit order by a single ordered transaction at a time. So whoever has seen
position P has seen every entry up to P: a sync token is that number.
"""

import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NewType, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from homeserver.runtime.metrics import POSITION
from homeserver.storage.database import Database
from homeserver.storage.engine import DatabaseUnavailable, Transaction
from homeserver.streams.waiting import Waiting

log = logging.getLogger(__name__)

Position = NewType("Position", int)
Topic = Hashable

E = TypeVar("E")


@dataclass(slots=True)
class Placed(Generic[E]):
    """An entry with the positions it was given: `count` consecutive ones that end with `position`."""

    entry: E
    count: int
    position: Position = Position(0)
    refused: Exception | None = None

    @property
    def first(self) -> int:
        """The first of its positions."""
        return self.position - self.count + 1


Forget = Callable[[Position], None]
"""Nothing is known of entries up to the position, whatever was known before."""


class EntryKind(Protocol[E]):
    """How entries of one kind are stored. One object per kind lives as long as the server."""

    def count(self, entry: E) -> int:
        """How many positions the entry takes, at least 1."""

    def store(self, txn: Transaction, batch: Sequence[Placed[E]]) -> None:
        """Writes the whole batch, in the writer's thread. It may run again after a rollback.

        An entry that cannot be stored gets `refused` before anything of it is written.
        """

    def stored(self, batch: Sequence[Placed[E]]) -> Iterable[Topic]:
        """After the commit, in the reactor's thread: brings caches up to date and names the topics to wake."""


@dataclass(slots=True)
class _Pending:
    kind: EntryKind[Any]
    placed: Placed[Any]
    done: Deferred[Position]


class Journal:
    """Appends entries of every kind and wakes those who wait for their topics."""

    def __init__(self, db: Database, waiting: Waiting) -> None:
        self._db = db
        self._waiting = waiting
        self._queue: list[_Pending] = []
        self._busy = False
        self._position = Position(0)
        # The last position of which this process knows whose it is.
        self._accounted = Position(0)
        self._forgetting: Sequence[Forget] = ()
        self._missed = False

    @property
    def position(self) -> Position:
        """The newest position of which every entry can be read."""
        return self._position

    async def start(self, forgetting: Sequence[Forget] = ()) -> None:
        """Reads where the journal stands; to be called before the first `append`.

        `forgetting` are told, now and whenever entries turn up that this process was not told of.
        """
        self._forgetting = forgetting
        self._forget(await self._db.read(current_position))

    def forget(self) -> None:
        """To be called when entries were changed that were stored before: nothing is known of any of them."""
        for forget in self._forgetting:
            forget(self._position)
        self._waiting.wake_all()

    def append(self, kind: EntryKind[E], entry: E) -> Deferred[Position]:
        """Stores `entry`; fires with its last position after the commit, or fails with why it was refused."""
        done: Deferred[Position] = Deferred()
        self._queue.append(_Pending(kind, Placed(entry, kind.count(entry)), done))
        if not self._busy:
            self._busy = True
            Deferred.fromCoroutine(self._drain())
        return done

    async def _drain(self) -> None:
        writing = self._begin()
        while writing is not None:
            group, written = writing
            await self._outcome(group, written)
            # The next group is on its way to the disk while this one is told about.
            writing = self._begin()
            self._publish(group)
            writing = writing or self._begin()
        self._busy = False

    def _begin(self) -> tuple[list[_Pending], Deferred[Position]] | None:
        if not self._queue:
            return None
        group, self._queue = self._queue, []
        return group, self._db.write_ordered(_store, group)

    async def _outcome(self, group: list[_Pending], written: Deferred[Position]) -> None:
        """Waits until the group is stored or refused."""
        try:
            before = await written
        except DatabaseUnavailable as error:
            for one in group:
                one.placed.refused = error
        except Exception:
            await self._one_by_one(group)
        else:
            self._account(before, group)

    async def _one_by_one(self, group: list[_Pending]) -> None:
        """One bad entry must not take its neighbours along: each is tried alone, in the same order."""
        for one in group:
            try:
                before = await self._db.write_ordered(_store, [one])
            except Exception as error:
                one.placed.refused = error
            else:
                self._account(before, [one])

    def _account(self, before: Position, group: Sequence[_Pending]) -> None:
        """Sees that the positions up to `before`, where the group begins, are those that this process knows.

        If not, the outcome of an earlier group was unknown, and it was stored after all.
        """
        if before != self._accounted:
            self._forget(before)
            self._missed = True
        self._accounted = Position(before + _taken(group))

    def _forget(self, position: Position) -> None:
        self._position = self._accounted = position
        POSITION.set(position)
        for forget in self._forgetting:
            forget(position)

    def _publish(self, group: list[_Pending]) -> None:
        accepted = [one for one in group if one.placed.refused is None]
        # An entry refused by its kind leaves a hole in the numbers, which is no harm.
        self._position = max([self._position, *(one.placed.position for one in accepted)])
        POSITION.set(self._position)
        topics: set[Topic] = set()
        for kind, placed in _by_kind(accepted):
            try:
                topics.update(kind.stored(placed))
            except Exception:
                # The entries are stored; whoever wrote them, and all who come after, must not hang.
                log.exception("a reader of stored entries failed")
        for one in group:
            if one.placed.refused is None:
                one.done.callback(one.placed.position)
            else:
                one.done.errback(Failure(one.placed.refused))
        if self._missed:
            self._missed = False
            self._waiting.wake_all()
        else:
            self._waiting.wake(topics)


def _by_kind(group: Sequence[_Pending]) -> list[tuple[EntryKind[Any], list[Placed[Any]]]]:
    kinds: dict[int, tuple[EntryKind[Any], list[Placed[Any]]]] = {}
    for one in group:
        kinds.setdefault(id(one.kind), (one.kind, []))[1].append(one.placed)
    return list(kinds.values())


def current_position(txn: Transaction) -> Position:
    """The newest position that is committed."""
    row = txn.row("SELECT position FROM stream_position")
    assert row is not None, "the first migration writes this row"
    return Position(row[0])


def _taken(group: Sequence[_Pending]) -> int:
    return sum(one.placed.count for one in group)


def _store(txn: Transaction, group: Sequence[_Pending]) -> Position:
    """Numbers the group and writes it, kind by kind; gives the position before it.

    The counter's row is the lock that orders processes.
    """
    taken = _taken(group)
    row = txn.row(
        "UPDATE stream_position SET position = position + %(taken)s RETURNING position", taken=taken
    )
    assert row is not None, "the first migration writes this row"
    before = position = row[0] - taken
    for one in group:
        position += one.placed.count
        one.placed.position = Position(position)
        one.placed.refused = None
    for kind, placed in _by_kind(group):
        kind.store(txn, placed)
    return Position(before)
