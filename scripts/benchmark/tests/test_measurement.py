import asyncio
from collections.abc import Sequence

import pytest

from scripts.benchmark.connection import Answer, ProtocolError
from scripts.benchmark.measurement import Figures, Processes, Step, Trip, Work, measure

GOOD = Answer(200, b'{"event_id": "$1"}')


def is_right(answer: Answer) -> bool:
    return isinstance(answer.json()["event_id"], str)


def answering(*script: Answer | Exception) -> Step:
    """A step that gives these in turn, the last for ever."""
    waiting = list(script)

    async def step() -> Sequence[Trip]:
        given = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(given, Exception):
            raise given
        await asyncio.sleep(0)
        return [Trip(0.25, given)]

    return step


def measured(*steps: Step, operations: int = 10, least_seconds: float = 0.0) -> Figures:
    return asyncio.run(measure("x", Work(steps, is_right), Processes(), operations, least_seconds))


def test_warm_up_is_not_counted() -> None:
    figures = measured(answering(GOOD), answering(GOOD))
    assert (figures.operations, figures.failures) == (10, [])
    assert figures.latencies == [0.25] * 10


@pytest.mark.parametrize(
    "wrong",
    [
        Answer(403, b"{}"),
        Answer(200, b"{}"),
        Answer(200, b"<html>"),
        Answer(200, b"[]"),
        ProtocolError(),
        OSError(),
    ],
)
def test_what_fails_is_counted_as_failure_only(wrong: Answer | Exception) -> None:
    figures = measured(answering(GOOD, GOOD, wrong, GOOD))
    assert (figures.operations, len(figures.failures)) == (9, 1)


def test_a_failure_while_warming_up_is_told_too() -> None:
    figures = measured(answering(Answer(500, b"oops"), GOOD))
    assert figures.failures == ["status 500: oops"]


def test_running_out_of_material_ends_the_work_but_nothing_at_all_is_a_failure() -> None:
    async def nothing() -> Sequence[Trip]:
        return ()

    assert measured(nothing).failures == ["nothing was measured"]


def test_a_fast_server_gets_more_to_do() -> None:
    assert measured(answering(GOOD), operations=1, least_seconds=0.05).operations > 1


def test_percentiles_are_latencies_that_occurred() -> None:
    figures = Figures("x", latencies=[number / 1000 for number in range(100, 0, -1)])
    assert [figures.percentile(percent) for percent in (50, 95, 99, 100)] == [0.05, 0.095, 0.099, 0.1]
    assert Figures("x", latencies=[3.0]).percentile(50) == 3.0


def test_figures_per_operation_and_second() -> None:
    figures = Figures("x", latencies=[0.1] * 4, seconds=2.0, server_cpu=1.0)
    assert figures.throughput == 2.0
    assert figures.per_operation(figures.server_cpu) == 0.25
    assert figures.per_operation(figures.database_cpu) is None
