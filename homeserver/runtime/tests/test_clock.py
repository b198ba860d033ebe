"""Time that a test owns."""

from typing import cast

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock as FakeReactor

from homeserver.runtime.clock import Clock, ReactorTime


@pytest.fixture
def reactor() -> FakeReactor:
    return FakeReactor()


@pytest.fixture
def clock(reactor: FakeReactor) -> Clock:
    # Cast, because the interfaces in its signatures mean nothing to a type checker.
    return Clock(cast(ReactorTime, reactor))


def test_now_is_in_whole_milliseconds(reactor: FakeReactor, clock: Clock) -> None:
    reactor.advance(1_700_000_000.1239)
    assert clock.now_ms() == 1_700_000_000_123
    assert clock.seconds() == pytest.approx(1_700_000_000.1239)


def test_sleep_takes_as_long_as_it_says(reactor: FakeReactor, clock: Clock) -> None:
    awake = clock.sleep(2)
    reactor.advance(1.9)
    assert not awake.called
    reactor.advance(0.1)
    assert awake.called


def test_cancelled_sleep_leaves_no_timer(reactor: FakeReactor, clock: Clock) -> None:
    awake = clock.sleep(2)
    reasons: list[type[BaseException] | None] = []
    awake.addErrback(lambda failure: reasons.append(failure.type))
    awake.cancel()
    assert reasons == [CancelledError]
    assert reactor.getDelayedCalls() == []


def test_cancelling_after_waking_up_does_nothing(reactor: FakeReactor, clock: Clock) -> None:
    awake = clock.sleep(2)
    reactor.advance(2)
    awake.cancel()
    assert awake.result is None


def test_call_later_gives_a_timer_that_can_be_stopped(reactor: FakeReactor, clock: Clock) -> None:
    called: list[str] = []
    clock.call_later(1, called.append, "one")
    clock.call_later(1, called.append, "other").cancel()
    reactor.advance(1)
    assert called == ["one"]
