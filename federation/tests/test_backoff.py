from datetime import timedelta
from random import Random
from typing import cast

from twisted.internet.task import Clock as FakeReactor
from twisted.trial.unittest import SynchronousTestCase

from config.federation import Federation
from federation.backoff import Backoff
from homeserver.protocol.errors import RemoteFailed
from homeserver.protocol.identifiers import ServerName
from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.runtime.randomness import Randomness
from homeserver.streams.waiting import Waiting

A, B = ServerName("a.example"), ServerName("b.example")


class BackoffTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        config = Federation(
            destination_min_retry_interval=timedelta(seconds=100),
            destination_retry_multiplier=2,
            destination_max_retry_interval=timedelta(seconds=1000),
        )
        clock = Clock(cast(ReactorTime, self.reactor))
        self.backoff = Backoff(config, clock, Randomness(Random(1)), Waiting(clock))

    def pause(self) -> float:
        self.backoff.failed(A)
        seconds = self.backoff.seconds_left(A)
        self.reactor.advance(seconds)
        return seconds

    def test_nothing_is_held_against_a_server(self) -> None:
        self.backoff.check(A)
        self.assertEqual(self.backoff.seconds_left(A), 0)

    def test_a_failure(self) -> None:
        self.backoff.failed(A)
        self.assertRaises(RemoteFailed, self.backoff.check, A)
        self.backoff.check(B)
        self.reactor.advance(100)
        self.backoff.check(A)

    def test_pauses_grow_and_differ(self) -> None:
        pauses = [self.pause() for _ in range(7)]
        for pause, longest in zip(pauses, (100, 200, 400, 800, 1000, 1000, 1000), strict=True):
            self.assertTrue(0.8 * longest <= pause <= longest, pauses)
        self.assertEqual(len(set(pauses)), 7)

    def test_what_fails_together_counts_once(self) -> None:
        for _ in range(10):
            self.backoff.failed(A)
        self.assertLessEqual(self.backoff.seconds_left(A), 100)

    def test_a_sign_of_life(self) -> None:
        for _ in range(5):
            self.pause()
        self.backoff.failed(A)
        self.backoff.alive(A)
        self.backoff.check(A)
        self.assertLessEqual(self.pause(), 100)
