"""Servers that cannot be reached are left alone for a while, longer with each failure."""

from collections import OrderedDict
from dataclasses import dataclass

from config.federation import Federation
from homeserver.protocol.errors import RemoteUnreachable
from homeserver.protocol.identifiers import ServerName
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.streams.journal import Topic
from homeserver.streams.waiting import Waiting

# About 2 MB; those that failed longest ago are forgotten first.
_MOST_SERVERS = 10_000
_JITTER = 0.2


@dataclass(frozen=True, slots=True)
class _Pause:
    """`seconds` is its length without the jitter, `until` a time of the clock."""

    seconds: float
    until: float


class Backoff:
    """Which servers failed lately, and until when they are not asked again. Any sign of life ends the pause."""

    def __init__(self, config: Federation, clock: Clock, randomness: Randomness, waiting: Waiting) -> None:
        """The end of a pause by a sign of life wakes the topic ("alive", server name)."""
        self._first = config.destination_min_retry_interval.total_seconds()
        self._multiplier = config.destination_retry_multiplier
        self._longest = config.destination_max_retry_interval.total_seconds()
        self._clock = clock
        self._randomness = randomness
        self._waiting = waiting
        self._pauses: OrderedDict[str, _Pause] = OrderedDict()

    def check(self, server_name: ServerName) -> None:
        """Raises RemoteFailed while the server is left alone."""
        if self.seconds_left(server_name) > 0:
            raise RemoteUnreachable(f"{server_name} could not be reached and is not asked again yet")

    def seconds_left(self, server_name: ServerName) -> float:
        """Until the server may be asked again; 0 where it may be asked now."""
        pause = self._pauses.get(server_name)
        return 0 if pause is None else max(0.0, pause.until - self._clock.seconds())

    def failed(self, server_name: ServerName) -> None:
        """To be told of each failure; those of requests that were under way together count as one."""
        if self.seconds_left(server_name) > 0:
            return
        pause = self._pauses.pop(server_name, None)
        seconds = self._first if pause is None else min(pause.seconds * self._multiplier, self._longest)
        # Otherwise all that failed together would be tried again together.
        wait = seconds * (1 - _JITTER * self._randomness.fraction())
        self._pauses[server_name] = _Pause(seconds, self._clock.seconds() + wait)
        if len(self._pauses) > _MOST_SERVERS:
            self._pauses.popitem(last=False)

    def alive(self, server_name: ServerName) -> None:
        """To be told when the server answered, or asked something itself."""
        if self._pauses.pop(server_name, None) is not None:
            self._waiting.wake([alive_topic(server_name)])


def alive_topic(server_name: ServerName) -> Topic:
    return "alive", server_name
