"""How much of this server another server may take at once."""

from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred

from config.rate_limits import FederationRateLimit
from homeserver.protocol.errors import LimitExceeded
from homeserver.protocol.identifiers import ServerName
from homeserver.runtime.clock import Clock

_MOST_ORIGINS = 10_000


@dataclass(slots=True)
class _Origin:
    """`began` are the times of the requests of the current window."""

    began: deque[float] = field(default_factory=deque)
    sleeping: int = 0
    running: int = 0
    queue: deque[Deferred[None]] = field(default_factory=deque)

    @property
    def is_idle(self) -> bool:
        return not (self.sleeping or self.running or self.queue)


class OriginLimiter:
    """Requests of one server beyond its rate are delayed, and refused when too many wait.

    COMPAT(synapse): what the parts of `rc_federation` mean is as there.
    """

    def __init__(self, clock: Clock, limit: FederationRateLimit) -> None:
        self._clock = clock
        self._limit = limit
        self._origins: OrderedDict[str, _Origin] = OrderedDict()

    @asynccontextmanager
    async def turn(self, name: ServerName) -> AsyncIterator[None]:
        """Waits until a request of the server may be served. Raises LimitExceeded."""
        origin = self._origins.pop(name, None) or _Origin()
        self._origins[name] = origin
        self._forget_idle()
        await self._slowed(origin)
        await self._let_in(origin)
        try:
            yield
        finally:
            self._next(origin)

    async def _slowed(self, origin: _Origin) -> None:
        now, window = self._clock.seconds(), self._limit.window_size / 1000
        while origin.began and origin.began[0] <= now - window:
            origin.began.popleft()
        if origin.sleeping + len(origin.queue) >= self._limit.reject_limit:
            wait = self._limit.window_size / max(1, self._limit.sleep_limit)
            raise LimitExceeded("Too many requests of this server", retry_after_ms=int(wait) + 1)
        origin.began.append(now)
        if len(origin.began) > self._limit.sleep_limit:
            origin.sleeping += 1
            try:
                await self._clock.sleep(self._limit.sleep_delay / 1000)
            finally:
                origin.sleeping -= 1

    async def _let_in(self, origin: _Origin) -> None:
        if origin.running < self._limit.concurrent:
            origin.running += 1
            return
        turn: Deferred[None] = Deferred()
        origin.queue.append(turn)
        # Whoever ends hands on the place, so that `running` stays as it is.
        await turn

    def _next(self, origin: _Origin) -> None:
        if origin.queue:
            origin.queue.popleft().callback(None)
        else:
            origin.running -= 1

    def _forget_idle(self) -> None:
        """Those who asked least recently, unless they are still served."""
        if len(self._origins) > _MOST_ORIGINS:
            name, oldest = next(iter(self._origins.items()))
            if oldest.is_idle:
                del self._origins[name]
            else:
                self._origins.move_to_end(name)
