"""Puts work on a server, times it, then checks every answer."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .connection import Answer, ProtocolError
from .process import ProcessTree
from .user import Refused

WARM_UP = 0.1  # of the operations to be measured
DEADLINE_SECONDS = 180.0
QUIET_CPU = 0.08  # of one core: below it, a server is doing nothing for us any more
QUIET_INTERVAL_SECONDS = 0.25
QUIET_LIMIT_SECONDS = 6.0


class Trip(NamedTuple):
    """One operation as the client saw it."""

    seconds: float
    answer: Answer


# Does one or more operations, one after the other or at once; none when it has run out of material.
Step = Callable[[], Awaitable[Sequence[Trip]]]


@dataclass(frozen=True)
class Work:
    """A prepared scenario: its steps go on side by side, each by itself one at a time."""

    steps: Sequence[Step]
    # Whether the answer, whose status is known to be 200, holds what was promised; ValueError tells what not.
    is_right: Callable[[Answer], bool]
    close: Callable[[], None] = lambda: None


@dataclass
class Figures:
    """What one scenario cost one server; CPU in seconds, None where the processes are not ours to see."""

    scenario: str
    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    server_cpu: float | None = None
    database_cpu: float | None = None
    generator_cpu: float = 0.0

    @property
    def operations(self) -> int:
        """The successful ones; nothing else is ever counted."""
        return len(self.latencies)

    @property
    def throughput(self) -> float:
        """Operations per second."""
        return self.operations / self.seconds if self.seconds else 0.0

    def percentile(self, percent: float) -> float:
        """The smallest latency in seconds that `percent` of the operations did not exceed."""
        if not self.latencies:
            return 0.0
        ordered = sorted(self.latencies)
        return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]

    def per_operation(self, cpu_seconds: float | None) -> float | None:
        return cpu_seconds / self.operations if cpu_seconds is not None and self.operations else None


@dataclass(frozen=True)
class Processes:
    """Where the work is done; what is None runs elsewhere, or inside the other."""

    server: ProcessTree | None = None
    database: ProcessTree | None = None

    def cpu_seconds(self) -> tuple[float | None, float | None]:
        return (
            self.server.cpu_seconds() if self.server else None,
            self.database.cpu_seconds() if self.database else None,
        )


async def measure(
    scenario: str, work: Work, processes: Processes, operations: int, least_seconds: float
) -> Figures:
    """Warm up, then work for at least so many operations and seconds, until the server is quiet again.

    CPU that a server spends after its last answer is counted: postponing work does not make it cheaper.
    Answers are checked when the clock has stopped, so checking costs the measurement nothing.
    """
    figures = Figures(scenario)
    failed: list[str] = []
    warming = await _drive(work, _turns(max(len(work.steps), int(operations * WARM_UP)), 0.0), failed)
    await until_quiet([processes])
    cpu_before, generator_before, started = processes.cpu_seconds(), time.process_time(), time.perf_counter()
    gc.disable()
    measured = await _drive(work, _turns(operations, least_seconds), failed)
    gc.enable()
    figures.seconds = time.perf_counter() - started
    figures.generator_cpu = time.process_time() - generator_before
    await until_quiet([processes])
    cpu_after = processes.cpu_seconds()
    figures.server_cpu, figures.database_cpu = map(_difference, cpu_after, cpu_before)
    work.close()
    problems = [(trip.seconds, _problem(trip.answer, work)) for trip in warming + measured]
    figures.latencies = [seconds for seconds, problem in problems[len(warming) :] if problem is None]
    figures.failures = failed + [problem for _, problem in problems if problem is not None]
    if not figures.latencies and not figures.failures:
        figures.failures.append("nothing was measured")
    return figures


async def until_quiet(servers: Sequence[Processes]) -> None:
    """Wait for work that goes on behind the answers: caches, queues, checkpoints, presence."""
    trees = [tree for each in servers for tree in (each.server, each.database) if tree]
    if not trees:
        await asyncio.sleep(QUIET_INTERVAL_SECONDS)
    deadline = time.monotonic() + QUIET_LIMIT_SECONDS
    spent = sum(tree.cpu_seconds() for tree in trees)
    while trees and time.monotonic() < deadline:
        await asyncio.sleep(QUIET_INTERVAL_SECONDS)
        before, spent = spent, sum(tree.cpu_seconds() for tree in trees)
        if spent - before < QUIET_CPU * QUIET_INTERVAL_SECONDS * len(servers):
            return


async def _drive(work: Work, turns: Iterator[None], failed: list[str]) -> list[Trip]:
    """Take turns until there are none; what a step raises goes to `failed`."""
    trips: list[Trip] = []

    async def keep_stepping(step: Step) -> None:
        for _ in turns:
            try:
                done = await step()
            except (OSError, ProtocolError, Refused) as error:
                failed.append(f"{type(error).__name__}: {error}")
            else:
                if not done:
                    return
                trips.extend(done)

    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await asyncio.gather(*map(keep_stepping, work.steps))
    except TimeoutError:
        failed.append(f"not done after {DEADLINE_SECONDS:.0f} s")
    return trips


def _turns(count: int, least_seconds: float) -> Iterator[None]:
    deadline = time.perf_counter() + least_seconds
    while count > 0 or time.perf_counter() < deadline:
        count -= 1
        yield


def _problem(answer: Answer, work: Work) -> str | None:
    excerpt = answer.body[:160].decode(errors="replace")
    if answer.status != 200:
        return f"status {answer.status}: {excerpt}"
    try:
        return None if work.is_right(answer) else f"not the content asked for: {excerpt}"
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        return f"not the content asked for ({error}): {excerpt}"


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before
