"""Jobs that repeat for as long as the server runs, and work started without waiting for it."""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall

from homeserver.runtime.clock import Clock
from homeserver.runtime.log_context import log_context
from homeserver.runtime.metrics import TASK_FAILURES

log = logging.getLogger(__name__)


class TemporaryFailure(Exception):
    """Something that is needed is away for now, and its text says what: no mistake of the program."""


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
            except Exception as error:
                # One bad run must not end the loop; the next run tries again.
                _failed(task.name, error)

    loop = LoopingCall(lambda: Deferred.fromCoroutine(run_logged()))
    loop.clock = clock.reactor  # type: ignore[assignment]  # the same interface, described for type checkers
    loop.start(task.interval.total_seconds(), now=False)
    return loop


def run_in_background(name: str, work: Coroutine[Any, Any, Any]) -> Deferred[None]:
    """Runs `work` without waiting for it; its failure is logged. The Deferred can be cancelled, and never fails."""

    async def run_logged() -> None:
        with log_context(task=name):
            try:
                await work
            except CancelledError:
                log.debug("%s was broken off", name)
            except Exception as error:
                _failed(name, error)

    return Deferred.fromCoroutine(run_logged())


def _failed(name: str, error: Exception) -> None:
    TASK_FAILURES.labels(name).inc()
    if isinstance(error, TemporaryFailure):
        log.warning("%s could not be done now: %s", name, error)
    else:
        log.error("the background task %s failed", name, exc_info=error)
