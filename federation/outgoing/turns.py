"""How many transactions are under way at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.defer import DeferredSemaphore

_FIRST_ATTEMPTS, _RETRIES = 100, 20


class Turns:
    """First come, first served. Servers that failed have turns of their own, so they hold up nobody but each other."""

    def __init__(self, first_attempts: int = _FIRST_ATTEMPTS, retries: int = _RETRIES) -> None:
        self._first_attempts = DeferredSemaphore(first_attempts)
        self._retries = DeferredSemaphore(retries)

    @asynccontextmanager
    async def turn(self, *, is_retry: bool) -> AsyncIterator[None]:
        semaphore = self._retries if is_retry else self._first_attempts
        await semaphore.acquire()
        try:
            yield
        finally:
            semaphore.release()
