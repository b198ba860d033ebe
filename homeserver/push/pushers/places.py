"""How many requests go to one gateway or push service at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from twisted.internet.defer import DeferredSemaphore

AT_ONCE = 20
"""As many connections to each are kept."""


class PlaceTurns:
    """First come, first served at each host: a slow one holds up nobody but those who use it."""

    def __init__(self) -> None:
        self._by_host: dict[str, DeferredSemaphore] = {}

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        host = urlsplit(url).netloc
        semaphore = self._by_host.setdefault(host, DeferredSemaphore(AT_ONCE))
        await semaphore.acquire()
        try:
            yield
        finally:
            semaphore.release()
            if semaphore.tokens == AT_ONCE:
                self._by_host.pop(host, None)
