"""Mutual exclusion by key, for coroutines of one process."""

from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred

K = TypeVar("K", bound=Hashable)


class KeyedLocks(Generic[K]):
    """One lock for each key, first come first served. A key that nobody holds costs nothing."""

    def __init__(self) -> None:
        self._waiting: dict[K, deque[Deferred[None]]] = {}

    @asynccontextmanager
    async def held(self, key: K) -> AsyncIterator[None]:
        await self._acquire(key)
        try:
            yield
        finally:
            self._release(key)

    async def _acquire(self, key: K) -> None:
        queue = self._waiting.get(key)
        if queue is None:
            self._waiting[key] = deque()
            return
        turn: Deferred[None] = Deferred()
        queue.append(turn)
        try:
            await turn
        except BaseException:
            # Cancelled while waiting: nobody may hand the lock to us any more.
            if turn in queue:
                queue.remove(turn)
            raise

    def _release(self, key: K) -> None:
        queue = self._waiting[key]
        if queue:
            queue.popleft().callback(None)
        else:
            del self._waiting[key]
