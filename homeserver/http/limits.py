"""Rate limits: a token bucket for each limit and each key (a user, an address, a room, …)."""

from collections import OrderedDict
from collections.abc import Hashable

from config.rate_limits import RateLimit
from homeserver.protocol.errors import LimitExceeded
from homeserver.runtime.clock import Clock

_MOST_KEYS = 20_000


class RateLimiter:
    """Buckets in memory, one for each key that acted lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # (limit's name, key) -> the time at which the bucket will be full again.
        self._full_at: OrderedDict[tuple[str, Hashable], float] = OrderedDict()

    def check(
        self, name: str, limit: RateLimit, key: Hashable, *, tokens: int = 1, count: bool = True
    ) -> None:
        """Takes tokens from the bucket `(name, key)`, or raises LimitExceeded with `retry_after_ms`.

        With `count=False` it only looks: for limits on failures, which count when the failure is known.
        """
        now = self._clock.seconds()
        bucket = (name, key)
        full_at = max(self._full_at.get(bucket, now), now)
        if limit.per_second <= 0:
            raise LimitExceeded("This is switched off", retry_after_ms=3_600_000)
        after = full_at + tokens / limit.per_second
        wait = after - now - limit.burst / limit.per_second
        # The microsecond absorbs rounding, so that a client that waits as told is let in.
        if wait > 1e-6:
            raise LimitExceeded("Too many requests", retry_after_ms=int(wait * 1000) + 1)
        if count:
            self._put(bucket, after, now)

    def spend(self, name: str, limit: RateLimit, key: Hashable, tokens: int) -> None:
        """Takes tokens from the bucket, even if there are not so many: the next have to wait the longer."""
        if limit.per_second > 0:
            now = self._clock.seconds()
            full_at = max(self._full_at.get((name, key), now), now)
            self._put((name, key), full_at + tokens / limit.per_second, now)

    def _put(self, bucket: tuple[str, Hashable], full_at: float, now: float) -> None:
        self._full_at[bucket] = full_at
        self._full_at.move_to_end(bucket)
        if len(self._full_at) > _MOST_KEYS:
            self._forget_full(now)

    def _forget_full(self, now: float) -> None:
        for bucket in [bucket for bucket, full_at in self._full_at.items() if full_at <= now]:
            del self._full_at[bucket]
        while len(self._full_at) > _MOST_KEYS:
            self._full_at.popitem(last=False)
