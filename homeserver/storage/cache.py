"""Caches with a byte budget: each has its share of one global budget and forgets what was used least recently."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ByteBudgetCache(Generic[K, V]):
    """Least recently used entries leave when the sizes given with them exceed `budget` bytes."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.size = 0
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, used most recently from now on; None where it is not kept."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keeps `value`, which holds about `size` bytes."""
        self.discard(key)
        self._entries[key] = (value, size)
        self.size += size
        while self.size > self.budget and len(self._entries) > 1:
            _, (_, dropped) = self._entries.popitem(last=False)
            self.size -= dropped

    def discard(self, key: K) -> None:
        """Forgets the value, if it is kept."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= entry[1]

    def values(self) -> Iterator[V]:
        """All that is kept, without using it."""
        return (value for value, _ in self._entries.values())

    def clear(self) -> None:
        self._entries.clear()
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)
