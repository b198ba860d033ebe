"""Who waits for what, within this process."""

from collections.abc import Hashable, Iterable

from twisted.internet.defer import CancelledError, Deferred

from homeserver.runtime.clock import Clock


class Waiting:
    """Readers wait for topics (a room, a user, …) and are woken once by the first of them that changes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_topic: dict[Hashable, set[Deferred[None]]] = {}
        self._closed = False

    def wake(self, topics: Iterable[Hashable]) -> None:
        """Wakes everyone who waits for any of `topics`."""
        woken: set[Deferred[None]] = set()
        for topic in topics:
            woken |= self._by_topic.get(topic, set())
        for wait in woken:
            # An earlier one, as it ran, may have ended this wait.
            if not wait.called:
                wait.callback(None)

    def wake_all(self) -> None:
        """Wakes everyone, whatever they wait for."""
        self.wake(list(self._by_topic))

    async def until(self, topics: Iterable[Hashable], timeout: float) -> bool:
        """Waits for one of `topics`, at most `timeout` seconds; False when the time was up."""
        if self._closed:
            return False
        wait: Deferred[None] = Deferred()
        topics = list(topics)
        for topic in topics:
            self._by_topic.setdefault(topic, set()).add(wait)
        timer = self._clock.call_later(timeout, wait.cancel)
        try:
            await wait
        except CancelledError:
            return False
        finally:
            if timer.active():
                timer.cancel()
            self._forget(wait, topics)
        return not self._closed

    def close(self) -> None:
        """Ends every wait as if its time were up, now and from now on: the server is stopping."""
        self._closed = True
        for wait in {wait for waits in self._by_topic.values() for wait in waits}:
            if not wait.called:
                wait.cancel()

    def _forget(self, wait: Deferred[None], topics: Iterable[Hashable]) -> None:
        for topic in topics:
            waits = self._by_topic.get(topic)
            if waits is not None:
                waits.discard(wait)
                if not waits:
                    del self._by_topic[topic]
