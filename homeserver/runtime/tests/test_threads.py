"""Blocking work beside the reactor."""

import threading

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from homeserver.runtime.threads import InlineThreads, ThreadGroup


def _divide(dividend: int, *, by: int) -> float:
    return dividend / by


class ThreadGroupTests(TestCase):
    def setUp(self) -> None:
        self.threads = ThreadGroup(reactor, "test", 2)
        self.addCleanup(self.threads.stop)

    async def test_results_and_errors_come_back_to_the_reactor(self) -> None:
        self.assertNotEqual(await self.threads.run(threading.get_ident), threading.get_ident())
        self.assertEqual(await self.threads.run(_divide, 6, by=4), 1.5)
        told_in: list[int] = []
        await self.threads.run(_divide, 6, by=4).addCallback(
            lambda _: told_in.append(threading.get_ident()),
        )
        self.assertEqual(told_in, [threading.get_ident()])
        with pytest.raises(ZeroDivisionError):
            await self.threads.run(_divide, 6, by=0)

    async def test_there_are_as_many_threads_as_it_says(self) -> None:
        both = threading.Barrier(2, timeout=10)
        await gatherResults([self.threads.run(both.wait) for _ in range(2)])
        running, most, lock = 0, 0, threading.Lock()

        def work() -> None:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            threading.Event().wait(0.002)
            with lock:
                running -= 1

        await gatherResults([self.threads.run(work) for _ in range(10)])
        self.assertEqual(most, 2)

    async def test_stopping_waits_for_what_is_under_way(self) -> None:
        threads = ThreadGroup(reactor, "test", 1)
        started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

        def work() -> None:
            started.set()
            go_on.wait(10)
            ended.set()

        done = threads.run(work)
        self.assertTrue(started.wait(10))
        threading.Timer(0.02, go_on.set).start()
        threads.stop()
        self.assertTrue(ended.is_set())
        await done


def test_inline_threads_are_none() -> None:
    threads = InlineThreads()
    where: list[int] = []
    threads.run(lambda: where.append(threading.get_ident()))
    assert where == [threading.get_ident()]
    failed: Deferred[float] = threads.run(_divide, 6, by=0)
    reasons: list[type[BaseException] | None] = []
    failed.addErrback(lambda failure: reasons.append(failure.type))
    assert reasons == [ZeroDivisionError]
    threads.stop()
