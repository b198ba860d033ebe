"""One of the simulated servers: what it keeps over crashes, and its lives between them."""

import contextvars
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from config.loading import load
from homeserver.app import Server, Surroundings, build
from homeserver.protocol.signing import SigningKey
from homeserver.runtime.randomness import Randomness
from homeserver.storage.engine import Engine
from tests.databases import own_engine
from tests.wire import NO_LIMITS, FrontDoor, NoServiceRecords

P = ParamSpec("P")
T = TypeVar("T")
_SLOWEST_CALL_SECONDS = 0.02


class SimulatedThreads:
    """One thread: its calls take their time, one after the other."""

    def __init__(self, reactor: MemoryReactorClock, random: Random) -> None:
        self._reactor = reactor
        self._random = random
        self._free_at = 0.0

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        context = contextvars.copy_context()
        done: Deferred[T] = Deferred()

        def work() -> None:
            try:
                result = context.run(call, *args, **kwargs)
            except Exception:
                done.errback(Failure())
            else:
                done.callback(result)

        now = self._reactor.seconds()
        self._free_at = max(self._free_at, now) + self._random.uniform(0, _SLOWEST_CALL_SECONDS)
        self._reactor.callLater(self._free_at - now, work)
        return done

    def stop(self) -> None:
        """There is nothing to wait for."""


class Incarnation:
    """A server from a start to a crash."""

    def __init__(
        self, name: str, engine: Engine, random: Random, now: float, skew: float, media: Path
    ) -> None:
        """Its clock is ahead of the world's by `skew` seconds."""
        self.name = name
        self.is_over = False
        self.is_listening = False
        self._skew = skew
        self._reactor = MemoryReactorClock()
        self._reactor.advance(now + skew)
        self.door = FrontDoor(self._reactor)
        config = load(
            [],
            data_dir=Path("unused"),
            environ={},
            overrides=[
                f"server_name={name}",
                f"media_store_path={media}",
                "registration_shared_secret=shared",
                "trusted_key_servers=[]",
                "enable_registration=true",
                "enable_registration_without_verification=true",
                # Hashes that nobody keeps need not be hard to guess.
                "bcrypt_rounds=4",
                "rc_joins.remote={per_second: 1000000, burst_count: 1000000}",
                "rc_federation={concurrent: 100, sleep_limit: 1000000, reject_limit: 1000000}",
                "listeners=[{port: 8008, type: http, resources: [{names: [client, federation, health]}]}]",
                *NO_LIMITS,
            ],
        ).config
        around = Surroundings(
            self._reactor,
            lambda name, size: SimulatedThreads(self._reactor, random),
            Randomness(Random(random.random())),
            NoServiceRecords(),
        )
        self.server: Server = build(config, engine, SigningKey("test", b"\x01" * 32), around)

    async def start(self) -> None:
        await self.server.start()
        self.server.listen()
        self.is_listening = True

    def pass_until(self, now: float) -> None:
        """`now` is the world's time."""
        self._reactor.advance(max(0.0, now + self._skew - self._reactor.seconds()))

    def next_timer(self) -> float:
        """In the world's time."""
        # Its own list is in the order of time.
        timers = self._reactor.calls
        return timers[0].getTime() - self._skew if timers else float("inf")


class SimulatedServer:
    """`incarnation` is None while it is down."""

    def __init__(self, name: str, random: Random, skew: float) -> None:
        self.name = name
        self.engine = own_engine()
        self.incarnation: Incarnation | None = None
        self._random = random
        self._skew = skew
        self._directory = TemporaryDirectory()

    def begin(self, now: float) -> Incarnation:
        media = Path(self._directory.name)
        self.incarnation = Incarnation(self.name, self.engine, self._random, now, self._skew, media)
        return self.incarnation

    def next_timer(self) -> float:
        """In the world's time."""
        return float("inf") if self.incarnation is None else self.incarnation.next_timer()

    def end(self) -> None:
        self._directory.cleanup()
