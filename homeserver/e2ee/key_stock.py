"""One-time and fallback keys: how many a device has left, and the way in which they come and go.

https://spec.matrix.org/v1.19/client-server-api/#one-time-and-fallback-keys
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from homeserver.e2ee.new_keys import Addition, store_additions
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
class _Change:
    write: StockChange
    devices: Collection[int] = field(default=())


class _Stocks:
    """What is known of stocks, until they change."""

    def __init__(self, budget: int) -> None:
        self.generation = 0
        self.by_device: ByteBudgetCache[int, Stock] = ByteBudgetCache(budget)

    def changed(self, device_nids: Iterable[int]) -> None:
        self.generation += 1
        for device_nid in device_nids:
            self.by_device.discard(device_nid)


class _Changes:
    """How changes are stored (an EntryKind). In the journal's order no key can be claimed twice."""

    def __init__(self, stocks: _Stocks) -> None:
        self._stocks = stocks

    def count(self, entry: _Change) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[_Change]]) -> None:
        for placed in batch:
            placed.entry.devices = placed.entry.write(txn)

    def stored(self, batch: Sequence[Placed[_Change]]) -> Iterable[Topic]:
        # Nobody is woken: clients look at the counts when they are told of something anyway.
        self._stocks.changed(device for placed in batch for device in placed.entry.devices)
        return ()


class _Additions:
    """How new keys are stored (an EntryKind): those of many devices at once."""

    def __init__(self, stocks: _Stocks) -> None:
        self._stocks = stocks

    def count(self, entry: Addition) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[Addition]]) -> None:
        store_additions(txn, [placed.entry for placed in batch])
        for placed in batch:
            placed.refused = placed.entry.refused

    def stored(self, batch: Sequence[Placed[Addition]]) -> Iterable[Topic]:
        self._stocks.changed(placed.entry.device_nid for placed in batch)
        return ()


class KeyStock:
    """What /sync tells a device of its own keys, from memory as a rule."""

    def __init__(self, db: Database, journal: Journal, budget: int) -> None:
        """`budget` is in bytes."""
        self._db = db
        self._journal = journal
        self._stocks = _Stocks(budget)
        self._changes = _Changes(self._stocks)
        self._additions = _Additions(self._stocks)

    def start_at(self, _: int) -> None:
        """Nothing is known, whatever was known before."""
        self._stocks.changed(())
        self._stocks.by_device.clear()

    async def of(self, device_nid: int) -> Stock:
        stock = self._stocks.by_device.get(device_nid)
        if stock is None:
            generation = self._stocks.generation
            stock = await self._db.read(stock_of, device_nid)
            if generation == self._stocks.generation:
                self._stocks.by_device.put(device_nid, stock, _STOCK_BYTES)
        return stock

    async def change(self, change: StockChange) -> None:
        """Raises what `change` does."""
        await self._journal.append(self._changes, _Change(change))

    async def add(self, addition: Addition) -> dict[str, int]:
        """How many one-time keys are left, by algorithm. Raises Unknown, TooLarge (see Addition)."""
        await self._journal.append(self._additions, addition)
        return addition.counts


def stock_of(txn: Transaction, device_nid: int) -> Stock:
    return stocks_of(txn, [device_nid])[device_nid]


def stocks_of(txn: Transaction, device_nids: Collection[int]) -> dict[int, Stock]:
    counts = unclaimed_counts(txn, device_nids)
    unused = unused_fallback_algorithms(txn, device_nids)
    return {nid: Stock(counts[nid], unused[nid]) for nid in device_nids}
