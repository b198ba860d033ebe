"""Jobs that repeat, and work that nobody waits for."""

import logging
from datetime import timedelta
from typing import cast

import pytest
from prometheus_client import REGISTRY
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeReactor

from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.runtime.log_context import current_log_context
from homeserver.runtime.tasks import Every, TemporaryFailure, run_in_background, start


class Job:
    """Counts its runs; some of them fail or take long."""

    def __init__(self) -> None:
        self.runs = 0
        self.failure: Exception | None = None
        self.waits_for: Deferred[None] | None = None
        self.context: dict[str, str] = {}

    async def run(self) -> None:
        self.runs += 1
        self.context = dict(current_log_context())
        if self.waits_for is not None:
            await self.waits_for
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def reactor() -> FakeReactor:
    return FakeReactor()


@pytest.fixture
def clock(reactor: FakeReactor) -> Clock:
    # Cast, because the interfaces in its signatures mean nothing to a type checker.
    return Clock(cast(ReactorTime, reactor))


@pytest.fixture
def job() -> Job:
    return Job()


def every(job: Job) -> Every:
    return Every("sweep", timedelta(seconds=10), job.run)


def failures(task: str) -> float:
    return REGISTRY.get_sample_value("folkmoot_task_failures_total", {"task": task}) or 0.0


def test_it_runs_once_each_interval(reactor: FakeReactor, clock: Clock, job: Job) -> None:
    loop = start(every(job), clock)
    assert job.runs == 0
    reactor.pump([10, 9, 1, 10])
    assert job.runs == 3
    loop.stop()
    reactor.advance(100)
    assert job.runs == 3
    assert reactor.getDelayedCalls() == []


def test_a_failing_run_is_told_and_does_not_end_the_loop(
    reactor: FakeReactor, clock: Clock, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    before = failures("sweep")
    start(every(job), clock)
    job.failure = ValueError("oh")
    reactor.advance(10)
    job.failure = None
    reactor.advance(10)
    assert job.runs == 2
    assert failures("sweep") == before + 1
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "sweep" in record.getMessage()
    assert record.exc_info is not None


def test_runs_do_not_overlap(reactor: FakeReactor, clock: Clock, job: Job) -> None:
    start(every(job), clock)
    job.waits_for = Deferred()
    reactor.pump([10, 10, 10])
    assert job.runs == 1
    job.waits_for.callback(None)
    reactor.advance(10)
    assert job.runs == 2


def test_log_lines_name_the_task(reactor: FakeReactor, clock: Clock, job: Job) -> None:
    start(every(job), clock)
    reactor.advance(10)
    assert job.context == {"task": "sweep"}
    assert "task" not in current_log_context()


def test_background_work_begins_at_once_and_its_failure_is_told(
    job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    before = failures("errand")
    job.failure, job.waits_for = ValueError("oh"), Deferred()
    run_in_background("errand", job.run())
    assert job.runs == 1
    assert job.context == {"task": "errand"}
    job.waits_for.callback(None)
    assert failures("errand") == before + 1
    assert "errand" in caplog.text


def test_what_is_away_for_now_is_no_traceback(
    reactor: FakeReactor, clock: Clock, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    job.failure = TemporaryFailure("the database is away")
    loop = start(every(job), clock)
    reactor.advance(10)
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert record.getMessage() == "sweep could not be done now: the database is away"
    loop.stop()
