"""Who waits, who is woken, and what is left behind."""

from collections.abc import Hashable, Iterable
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeReactor
from twisted.trial.unittest import SynchronousTestCase

from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.streams.waiting import Waiting


class WaitingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        # Cast, because the interfaces in its signatures mean nothing to a type checker.
        self.waiting = Waiting(Clock(cast(ReactorTime, self.reactor)))

    def wait(self, *topics: Hashable, timeout: float = 30) -> Deferred[bool]:
        return Deferred.fromCoroutine(self.waiting.until(topics, timeout))

    def assert_nothing_left(self) -> None:
        self.assertEqual(self.waiting._by_topic, {})
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_any_of_the_topics_wakes(self) -> None:
        for topic in ("a", "b"):
            wait = self.wait("a", "b")
            self.waiting.wake([topic])
            self.assertIs(self.successResultOf(wait), True)
            self.assert_nothing_left()

    def test_other_topics_do_not(self) -> None:
        wait = self.wait(("room", 1))
        self.waiting.wake([("room", 2), ("user", 1)])
        self.assertNoResult(wait)

    def test_all_who_wait_for_a_topic_are_woken(self) -> None:
        waits = [self.wait("a") for _ in range(3)]
        self.waiting.wake(["a"])
        self.assertEqual([self.successResultOf(wait) for wait in waits], [True] * 3)

    def test_several_topics_at_once_wake_once(self) -> None:
        wait = self.wait("a", "b")
        self.waiting.wake(["a", "b", "a"])
        self.assertIs(self.successResultOf(wait), True)
        self.waiting.wake(["b"])
        self.assert_nothing_left()

    def test_who_comes_after_the_wake_waits_for_the_next(self) -> None:
        self.waiting.wake(["a"])
        self.assertNoResult(self.wait("a"))

    def test_who_waits_again_as_soon_as_woken_waits_for_the_next(self) -> None:
        woken: list[int] = []

        async def listen() -> None:
            for number in range(2):
                await self.waiting.until(["a"], 30)
                woken.append(number)

        Deferred.fromCoroutine(listen())
        self.waiting.wake(["a"])
        self.assertEqual(woken, [0])
        self.waiting.wake(["a"])
        self.assertEqual(woken, [0, 1])

    def test_the_time_is_up_exactly_when_it_is(self) -> None:
        wait = self.wait("a", timeout=30)
        self.reactor.advance(29.999)
        self.assertNoResult(wait)
        self.reactor.advance(0.001)
        self.assertIs(self.successResultOf(wait), False)
        self.assert_nothing_left()

    def test_one_that_ends_another_while_all_are_woken(self) -> None:
        """Such as an answer whose connection carries the next request of a client that gives up the first."""
        waits: dict[str, Deferred[bool]] = {}
        for name, other in (("one", "two"), ("two", "one")):
            waits[name] = self.wait("a")
            waits[name].addCallback(self._cancel, waits, other)
        self.waiting.wake(["a"])
        for wait in waits.values():
            self.successResultOf(wait)
        self.assert_nothing_left()

    def _cancel(self, woken: bool, waits: dict[str, Deferred[bool]], other: str) -> bool:
        waits[other].cancel()
        return woken

    def test_a_cancelled_wait_leaves_nothing(self) -> None:
        wait = self.wait("a", "b")
        wait.addErrback(lambda _: False)
        wait.cancel()
        self.assertIs(self.successResultOf(wait), False)
        self.assert_nothing_left()

    def test_closing_ends_every_wait_and_those_to_come(self) -> None:
        waits = [self.wait("a"), self.wait("a", "b"), self.wait("c")]
        self.waiting.close()
        self.assertEqual([self.successResultOf(wait) for wait in [*waits, self.wait("a")]], [False] * 4)
        self.assert_nothing_left()

    def test_no_topics_wait_for_the_time_only(self) -> None:
        wait = self.wait(timeout=1)
        self.waiting.wake(self._nothing())
        self.assertNoResult(wait)
        self.reactor.advance(1)
        self.assertIs(self.successResultOf(wait), False)

    def _nothing(self) -> Iterable[Hashable]:
        return ()
