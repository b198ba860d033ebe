"""Remembering, per key, the newest position at which something changed, so that "nothing new" costs no query."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class LastChanged(Generic[K]):
    """Answers "did this key change after position P?": never wrongly no, sometimes wrongly yes.

    It knows what it was told since `floor`, and forgets the oldest beyond `capacity` keys.
    """

    def __init__(self, floor: int = 0, capacity: int = 100_000) -> None:
        self._floor = floor
        self._capacity = capacity
        self._positions: OrderedDict[K, int] = OrderedDict()

    def start_at(self, floor: int) -> None:
        """Nothing is known of changes up to `floor`, whatever was known before."""
        self._floor = max(self._floor, floor)
        self._positions.clear()

    def record(self, key: K, position: int) -> None:
        """`key` changed at `position`, which is later than all those recorded before."""
        self._positions[key] = position
        self._positions.move_to_end(key)
        if len(self._positions) > self._capacity:
            _, forgotten = self._positions.popitem(last=False)
            self._floor = max(self._floor, forgotten)

    def after(self, key: K, position: int) -> bool:
        """Whether `key` may have changed after `position`."""
        changed = self._positions.get(key)
        return changed > position if changed is not None else position < self._floor
