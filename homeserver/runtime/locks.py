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
        self._released: deque[K] = deque()
        self._handing_on = False

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
        self._released.append(key)
        if self._handing_on:
            # We run inside the loop below. Were each holder to start the next one, a crowd would overflow the stack.
            return
        self._handing_on = True
        try:
            while self._released:
                self._hand_on(self._released.popleft())
        finally:
            self._handing_on = False

    def _hand_on(self, key: K) -> None:
        queue = self._waiting[key]
        if queue:
            queue.popleft().callback(None)
        else:
            del self._waiting[key]
