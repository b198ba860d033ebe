"""Work that several wait for and that is done once."""

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SharedCalls(Generic[K, T]):
    """Whoever asks for a key while its work is under way gets the same outcome.

    The work goes on when those who wait are cancelled. Its failure is theirs alone to tell.
    """

    def __init__(self) -> None:
        self._waiting: dict[K, list[Deferred[T]]] = {}

    def run(self, key: K, start: Callable[[], Coroutine[Any, Any, T]]) -> Deferred[T]:
        """The outcome of the work for `key`, which `start` begins unless it is under way."""
        outcome: Deferred[T] = Deferred()
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.append(outcome)
            return outcome
        self._waiting[key] = [outcome]
        Deferred.fromCoroutine(start()).addBoth(self._ended, key)
        return outcome

    def _ended(self, outcome: T | Failure, key: K) -> None:
        # Those who were cancelled have their failure, and Twisted ignores the outcome for them.
        for waiting in self._waiting.pop(key):
            if isinstance(outcome, Failure):
                waiting.errback(outcome)
            else:
                waiting.callback(outcome)
