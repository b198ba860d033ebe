"""Token buckets on a clock that stands still unless told."""

from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock as FakeReactor

from config.rate_limits import RateLimit
from homeserver.http.limits import RateLimiter
from homeserver.protocol.errors import LimitExceeded
from homeserver.runtime.clock import Clock, ReactorTime

MOST_KEYS = 20_000


class Bucket:
    """A limiter, its time, and one limit of it."""

    def __init__(self, per_second: float, burst: int) -> None:
        self.limit = RateLimit(per_second=per_second, burst=burst)
        self.reactor = FakeReactor()
        self.reactor.advance(1_700_000_000)
        # Cast, because the interfaces in its signatures mean nothing to a type checker.
        self.limiter = RateLimiter(Clock(cast(ReactorTime, self.reactor)))

    def take(self, key: str = "a", name: str = "messages", *, count: bool = True) -> int | None:
        """None where it is granted, else for how many milliseconds it is not."""
        try:
            self.limiter.check(name, self.limit, key, count=count)
        except LimitExceeded as refused:
            wait: int = refused.fields["retry_after_ms"]
            return wait
        return None

    def drain(self) -> int:
        """How many are granted at once."""
        taken = 0
        while self.take() is None:
            taken += 1
        return taken


def test_burst_then_refusal() -> None:
    bucket = Bucket(per_second=2, burst=5)
    assert bucket.drain() == 5
    assert bucket.take() == pytest.approx(500, abs=1)


def test_refills_with_time_and_no_further_than_the_burst() -> None:
    bucket = Bucket(per_second=2, burst=5)
    bucket.drain()
    bucket.reactor.advance(1.5)
    assert bucket.drain() == 3
    bucket.reactor.advance(3_600)
    assert bucket.drain() == 5


def test_a_refusal_costs_nothing() -> None:
    bucket = Bucket(per_second=1, burst=1)
    bucket.drain()
    for _ in range(50):
        assert bucket.take() is not None
    bucket.reactor.advance(1)
    assert bucket.take() is None


@settings(max_examples=200)
@given(st.floats(0.001, 1_000), st.integers(1, 100), st.lists(st.floats(0, 10), max_size=20))
def test_who_waits_as_told_is_let_in(per_second: float, burst: int, pauses: list[float]) -> None:
    bucket = Bucket(per_second, burst)
    bucket.drain()
    for pause in pauses:
        bucket.reactor.advance(pause)
        bucket.take()
    wait = bucket.take()
    while wait is None:
        wait = bucket.take()
    bucket.reactor.advance(wait / 1000)
    assert bucket.take() is None


@settings(max_examples=100)
@given(st.floats(0.01, 50), st.integers(1, 20), st.lists(st.floats(0, 3), max_size=60))
def test_never_more_than_the_burst_and_the_rate(per_second: float, burst: int, pauses: list[float]) -> None:
    bucket = Bucket(per_second, burst)
    granted = 0
    for pause in pauses:
        bucket.reactor.advance(pause)
        granted += bucket.take() is None
    assert granted <= burst + per_second * sum(pauses) + 1e-3


def test_told_to_wait_not_much_longer_than_needed() -> None:
    bucket = Bucket(per_second=0.17, burst=3)
    bucket.drain()
    wait = bucket.take()
    assert wait is not None
    bucket.reactor.advance(wait / 1000 - 0.002)
    assert bucket.take() is not None


def test_keys_and_limits_are_apart() -> None:
    bucket = Bucket(per_second=1, burst=1)
    assert bucket.take("a") is None
    assert bucket.take("b") is None
    assert bucket.take("a", "joins") is None
    assert bucket.take("a") is not None


def test_looking_takes_nothing() -> None:
    bucket = Bucket(per_second=1, burst=1)
    for _ in range(5):
        assert bucket.take(count=False) is None
    assert bucket.take() is None
    assert bucket.take(count=False) is not None


@pytest.mark.parametrize(("per_second", "burst"), [(0, 5), (1, 0)])
def test_switched_off(per_second: float, burst: int) -> None:
    assert (Bucket(per_second, burst).take() or 0) > 0


def test_memory_is_bounded_and_full_buckets_leave_first() -> None:
    bucket = Bucket(per_second=1, burst=2)
    bucket.take("early")
    bucket.reactor.advance(0.5)
    for _ in range(2):
        bucket.take("busy")
    for number in range(MOST_KEYS - 2):
        bucket.take(f"{number}")
    # By now the first is full again, and all others are not.
    bucket.reactor.advance(0.6)
    bucket.take("one more")
    kept = {key for _, key in bucket.limiter._full_at}
    assert len(kept) == MOST_KEYS
    assert "early" not in kept
    assert bucket.take("busy") is not None


def test_when_none_is_full_the_one_unused_for_longest_leaves() -> None:
    bucket = Bucket(per_second=0.001, burst=5)
    for number in range(MOST_KEYS):
        bucket.take(f"{number}")
    bucket.take("0")
    bucket.take("one more")
    kept = {key for _, key in bucket.limiter._full_at}
    assert len(kept) == MOST_KEYS
    assert "0" in kept
    assert "1" not in kept


def test_several_tokens_at_once() -> None:
    bucket = Bucket(per_second=10, burst=100)
    bucket.limiter.check("bytes", bucket.limit, "a", tokens=60)
    with pytest.raises(LimitExceeded) as refused:
        bucket.limiter.check("bytes", bucket.limit, "a", tokens=60)
    assert refused.value.fields["retry_after_ms"] == 2001
    bucket.limiter.check("bytes", bucket.limit, "a", tokens=40)


def test_what_was_spent_beforehand_is_waited_for() -> None:
    bucket = Bucket(per_second=10, burst=100)
    bucket.limiter.spend("messages", bucket.limit, "a", 300)
    assert bucket.take() in (20_100, 20_101)  # rounded
    bucket.reactor.advance(20.101)
    assert bucket.take() is None
    off = Bucket(per_second=0, burst=0)
    off.limiter.spend("messages", off.limit, "a", 300)
