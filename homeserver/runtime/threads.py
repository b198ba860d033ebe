"""Running blocking work beside the reactor."""

import contextvars
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

P = ParamSpec("P")
T = TypeVar("T")


class Threads(Protocol):
    """Somewhere to run a blocking call."""

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]: ...

    def stop(self) -> None:
        """Waits for the calls under way."""


class ThreadGroup:
    """`size` threads of its own, so that slow work of one kind cannot starve another kind."""

    def __init__(self, reactor: Any, name: str, size: int) -> None:
        """`reactor` is one that other threads may call (IReactorFromThreads)."""
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=0, maxthreads=size, name=name)
        self._pool.start()

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        # Context variables do not follow work into a thread by themselves.
        context = contextvars.copy_context()
        return deferToThreadPool(self._reactor, self._pool, lambda: context.run(call, *args, **kwargs))

    def stop(self) -> None:
        self._pool.stop()


class InlineThreads:
    """No threads: calls run where they are made. For command-line tools and tests on a fake clock."""

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        try:
            return succeed(call(*args, **kwargs))
        except Exception:
            return fail()

    def stop(self) -> None:
        pass
