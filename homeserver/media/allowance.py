"""How much is fetched from other servers for one client: by its address, as accounts cost nothing.

COMPAT(synapse): that it goes by address, and that little more is given to whoever has almost used it up.
"""

from collections.abc import Callable

from config.rate_limits import RateLimit
from homeserver.http.limits import RateLimiter

_NAME = "remote_media_download"
_LEAST = 1024**2


class RemoteAllowance:
    def __init__(self, limiter: RateLimiter, limit: RateLimit) -> None:
        """`limit` is in bytes."""
        self._limiter = limiter
        self._limit = limit

    def check(self, address: str) -> None:
        """Before a file is fetched. Raises LimitExceeded where less than a MiB is left."""
        least = min(_LEAST, self._limit.burst)
        self._limiter.check(_NAME, self._limit, address, tokens=least, count=False)

    def counting(self, address: str, write: Callable[[bytes], object]) -> Callable[[bytes], None]:
        """`write`, with what comes counted, whether all comes or not."""

        def counted(data: bytes) -> None:
            self._limiter.spend(_NAME, self._limit, address, len(data))
            write(data)

        return counted
