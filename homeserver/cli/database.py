"""The database for commands that work without a server."""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from homeserver.runtime.threads import InlineThreads
from homeserver.storage.database import Database
from homeserver.storage.engine import Engine

T = TypeVar("T")


@contextmanager
def opened(engine: Engine) -> Iterator[Database]:
    """The database without threads: what is asked of it is answered at once."""
    db = Database(engine, lambda name, size: InlineThreads())
    try:
        yield db
    finally:
        at_once(db.close())


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that has nothing to wait for, as there are neither threads nor a network."""
    outcomes: list[T | Failure] = []
    Deferred.fromCoroutine(work).addBoth(outcomes.append)
    (outcome,) = outcomes
    if isinstance(outcome, Failure):
        outcome.raiseException()
    return outcome
