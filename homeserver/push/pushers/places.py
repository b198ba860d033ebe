"""How many requests go to gateways and push services at once."""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

from twisted.internet.defer import DeferredSemaphore

from homeserver.runtime.clock import Clock

T = TypeVar("T")

AT_ONCE = 20
"""As many connections to each are kept."""
_ALL_AT_ONCE = 400


class PlaceTurns:
    """First come, first served at each host: a slow one holds up nobody but those who use it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_host: dict[str, DeferredSemaphore] = {}
        self._all = DeferredSemaphore(_ALL_AT_ONCE)
        self._is_releasing = False

    async def in_turn(self, url: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Asks when there is room for one more request to the URL's host. Raises what `ask` does."""
        host = urlsplit(url).netloc
        turns = self._by_host.get(host)
        if turns is None:
            turns = self._by_host[host] = DeferredSemaphore(AT_ONCE)
        # The host's comes first, so that those who wait for a slow one take no room from others.
        await turns.acquire()
        try:
            await self._all.acquire()
            try:
                return await ask()
            finally:
                self._release(self._all)
        finally:
            self._release(turns, host)

    def _release(self, turns: DeferredSemaphore, host: str | None = None) -> None:
        """Whose turn it is goes on at once; should that fail at once, too, thousands would be on the stack."""
        if self._is_releasing:
            self._clock.call_later(0, self._release, turns, host)
            return
        self._is_releasing = True
        try:
            turns.release()
        finally:
            self._is_releasing = False
        if host is not None and turns.tokens == AT_ONCE:
            self._by_host.pop(host, None)
