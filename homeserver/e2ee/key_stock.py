"""One-time and fallback keys: how many a device has left, and the way in which they come and go.

https://spec.matrix.org/v1.19/client-server-api/#one-time-and-fallback-keys
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from homeserver.e2ee.store.one_time_keys import unclaimed_counts, unused_fallback_algorithms
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal, Placed, Topic

_STOCK_BYTES = 500

StockChange = Callable[[Transaction], Collection[int]]
"""Writes keys and returns the short ids of the devices whose stock is another now. It may run more than once."""


class Stock(NamedTuple):
    """How many one-time keys are left by algorithm, and the algorithms of unused fallback keys."""

    counts: dict[str, int]
    unused_fallback: list[str]


@dataclass(slots=True)
class _Entry:
    change: StockChange
    devices: Collection[int] = field(default=())


class _StockChanges:
    """How changes are stored (an EntryKind). In the journal's order no key can be claimed twice."""

    def __init__(self, stocks: ByteBudgetCache[int, Stock]) -> None:
        self._stocks = stocks
        self.generation = 0

    def count(self, entry: _Entry) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[_Entry]]) -> None:
        for placed in batch:
            placed.entry.devices = placed.entry.change(txn)

    def stored(self, batch: Sequence[Placed[_Entry]]) -> Iterable[Topic]:
        # Nobody is woken: clients look at the counts when they are told of something anyway.
        self.generation += 1
        for placed in batch:
            for device in placed.entry.devices:
                self._stocks.discard(device)
        return ()


class KeyStock:
    """What /sync tells a device of its own keys, from memory as a rule."""

    def __init__(self, db: Database, journal: Journal, budget: int) -> None:
        """`budget` is in bytes."""
        self._db = db
        self._journal = journal
        self._stocks: ByteBudgetCache[int, Stock] = ByteBudgetCache(budget)
        self._changes = _StockChanges(self._stocks)

    def start_at(self, _: int) -> None:
        """Nothing is known, whatever was known before."""
        self._changes.generation += 1
        self._stocks.clear()

    async def of(self, device_nid: int) -> Stock:
        stock = self._stocks.get(device_nid)
        if stock is None:
            generation = self._changes.generation
            stock = await self._db.read(stock_of, device_nid)
            if generation == self._changes.generation:
                self._stocks.put(device_nid, stock, _STOCK_BYTES)
        return stock

    async def change(self, change: StockChange) -> None:
        """Raises what `change` does."""
        await self._journal.append(self._changes, _Entry(change))


def stock_of(txn: Transaction, device_nid: int) -> Stock:
    return Stock(unclaimed_counts(txn, device_nid), unused_fallback_algorithms(txn, device_nid))
