"""Jobs that repeat for as long as the server runs, and work started without waiting for it."""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from homeserver.runtime.clock import Clock
from homeserver.runtime.log_context import log_context
from homeserver.runtime.metrics import TASK_FAILURES

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Every:
    """A job repeated for as long as the server runs; the first run comes one interval after start."""

    name: str
    interval: timedelta
    run: Callable[[], Coroutine[Any, Any, None]]


def start(task: Every, clock: Clock) -> LoopingCall:
    """Starts the job; `stop()` on the result ends it."""

    async def run_logged() -> None:
        with log_context(task=task.name):
            try:
                await task.run()
            except Exception:
                # One bad run must not end the loop; the next run tries again.
                TASK_FAILURES.labels(task.name).inc()
                log.exception("background task %s failed", task.name)

    loop = LoopingCall(lambda: Deferred.fromCoroutine(run_logged()))
    loop.clock = clock.reactor  # type: ignore[assignment]  # the same interface, described for type checkers
    loop.start(task.interval.total_seconds(), now=False)
    return loop


def run_in_background(name: str, work: Coroutine[Any, Any, Any]) -> None:
    """Runs `work` without waiting for it; its failure is logged."""

    async def run_logged() -> None:
        with log_context(task=name):
            try:
                await work
            except Exception:
                TASK_FAILURES.labels(name).inc()
                log.exception("background work %s failed", name)

    Deferred.fromCoroutine(run_logged())
