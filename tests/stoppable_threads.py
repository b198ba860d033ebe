"""Threads that a test can bring to a halt, to see what happens while the database is at work."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred

from homeserver.runtime.threads import InlineThreads

P = ParamSpec("P")
T = TypeVar("T")


class StoppableThreads(InlineThreads):
    """Calls run where they are made; those made between `halt` and `go_on` run at the latter, in order."""

    def __init__(self) -> None:
        self._halted: list[Callable[[], object]] | None = None

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        if self._halted is None:
            return super().run(call, *args, **kwargs)
        waiting: Deferred[T] = Deferred()
        run = super().run
        self._halted.append(lambda: run(call, *args, **kwargs).chainDeferred(waiting))
        return waiting

    def halt(self) -> None:
        self._halted = []

    def go_on(self) -> None:
        calls, self._halted = self._halted or [], None
        for call in calls:
            call()
