"""Locks by key, and what happens to those who wait when one of them gives up."""

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from homeserver.runtime.locks import KeyedLocks


class Visitors:
    """Coroutines that each hold the lock of one key until they are told to go."""

    def __init__(self) -> None:
        self.locks: KeyedLocks[str] = KeyedLocks()
        self.inside: list[str] = []
        self.ended: list[str] = []
        self._leave: dict[str, Deferred[None]] = {}

    def come(self, name: str, key: str = "room") -> Deferred[None]:
        return Deferred.fromCoroutine(self._visit(name, key))

    def go(self, name: str) -> None:
        self._leave[name].callback(None)

    async def _visit(self, name: str, key: str) -> None:
        self._leave[name] = Deferred()
        async with self.locks.held(key):
            self.inside.append(name)
            try:
                await self._leave[name]
            finally:
                self.inside.remove(name)
        self.ended.append(name)


@pytest.fixture
def visitors() -> Visitors:
    return Visitors()


def test_first_come_first_served(visitors: Visitors) -> None:
    for name in "abc":
        visitors.come(name)
    for name in "abc":
        assert visitors.inside == [name]
        visitors.go(name)
    assert visitors.ended == ["a", "b", "c"]


def test_keys_do_not_wait_for_each_other(visitors: Visitors) -> None:
    visitors.come("a", "here")
    visitors.come("b", "there")
    assert visitors.inside == ["a", "b"]


def test_an_error_inside_gives_the_lock_on(visitors: Visitors) -> None:
    failing = visitors.come("a")
    visitors.come("b")
    visitors._leave["a"].errback(ValueError("oh"))
    assert visitors.inside == ["b"]
    failing.addErrback(lambda failure: failure.trap(ValueError))


@pytest.mark.parametrize("leaver", ["b", "c", "d"])
def test_whoever_gives_up_waiting_is_passed_over(visitors: Visitors, leaver: str) -> None:
    waits = {name: visitors.come(name) for name in "abcd"}
    waits[leaver].addErrback(lambda failure: failure.trap(CancelledError))
    waits[leaver].cancel()
    for name in [name for name in "abcd" if name != leaver]:
        assert visitors.inside == [name]
        visitors.go(name)
    assert leaver not in visitors.ended


def test_cancelling_the_holder_gives_the_lock_on(visitors: Visitors) -> None:
    holder = visitors.come("a")
    visitors.come("b")
    holder.addErrback(lambda failure: failure.trap(CancelledError))
    holder.cancel()
    assert visitors.inside == ["b"]


def test_a_waiter_cancelled_by_the_one_that_leaves_does_not_get_it(visitors: Visitors) -> None:
    first = visitors.come("a")
    second = visitors.come("b")
    visitors.come("c")
    second.addErrback(lambda failure: failure.trap(CancelledError))
    first.addCallback(lambda _: second.cancel())
    visitors.go("a")
    assert visitors.inside == ["c"]


def test_the_lock_can_be_had_again(visitors: Visitors) -> None:
    for name in "ab":
        visitors.come(name)
        visitors.go(name)
    assert visitors.ended == ["a", "b"]
    assert visitors.locks._waiting == {}, "a key that nobody holds costs nothing"


def test_a_crowd_that_leaves_at_once_is_served_in_order() -> None:
    """As many senders do whose room's head has just been read."""
    locks: KeyedLocks[str] = KeyedLocks()
    opened: Deferred[None] = Deferred()
    served: list[int] = []

    async def visit(number: int) -> None:
        async with locks.held("room"):
            if number == 0:
                await opened
            served.append(number)

    failures: list[Failure] = []
    for number in range(2_000):
        Deferred.fromCoroutine(visit(number)).addErrback(failures.append)
    opened.callback(None)
    assert failures == []
    assert served == list(range(2_000))
