"""Time and network of the simulated servers: one thing after the other, as the seed has it."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from random import Random
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred

from homeserver.http.outbound import Outbound, RequestFailed, Response
from tests.client import Answer, Request
from tests.simulation.server import Incarnation, SimulatedServer
from tests.wire import Exchange

BEGINNING = 1_700_000_000.0
_GIVEN_UP_SECONDS = 30.0
_MOST_SKEW_SECONDS = 5.0
_INSTANT = 1e-6


class Weather:
    """What the network does to messages; in good weather only that they take their time."""

    def __init__(self) -> None:
        self.lost = 0.0
        """How many of them are lost, and of answers as many."""
        self.doubled = 0.0
        self.slowest = 0.05
        """Seconds on the way."""
        self.parted: set[frozenset[str]] = set()
        """Pairs of servers that do not reach each other."""

    def clear_up(self) -> None:
        self.__init__()  # type: ignore[misc]  # it is as it was


class World:
    """The servers, and what is on its way between them."""

    def __init__(self, seed: str, names: Sequence[str]) -> None:
        self.random = Random(seed)
        self.now = BEGINNING
        self.weather = Weather()
        self.servers = {
            name: SimulatedServer(name, self.random, self.random.uniform(0, _MOST_SKEW_SECONDS))
            for name in names
        }
        self._coming: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._awaited: list[tuple[Incarnation, Exchange, Callable[[Answer | None], None]]] = []
        self._running: Incarnation | None = None
        self.failures: list[str] = []
        # Kept, because what they leave undone would come to its end while it is thrown away, whenever that is.
        self._crashed: list[Incarnation] = []

    @contextmanager
    def network(self) -> Iterator[None]:
        """While it lasts, what servers ask of others goes through this world."""
        with patch.object(Outbound, "request", self._request):
            yield

    def later(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._coming, (self.now + seconds, next(self._numbers), happen))

    def run(self, seconds: float) -> None:
        """Lets this much time pass."""
        end = self.now + seconds
        while (upcoming := self._next_instant()) <= end:
            self._pass_until(upcoming)
        self._pass_until(end)

    def run_until(self, is_so: Callable[[], bool], seconds: float) -> None:
        """Fails where it does not become so in time."""
        end = self.now + seconds
        while not is_so():
            assert self.now < end, f"not so after {seconds} s: {is_so.__qualname__}"
            self._pass_until(min(end, self._next_instant()))

    def start(self, name: str) -> None:
        """A server that was down, on what it had stored. It may take a while."""
        incarnation = self.servers[name].begin(self.now)
        started = self._as(incarnation, lambda: Deferred.fromCoroutine(incarnation.start()))
        # A failure is a fault of the server.
        started.addErrback(lambda failure: self.failures.append(f"{name} does not start: {failure}"))

    def crash(self, name: str) -> None:
        """Between two instants of its life, whatever it was about to do."""
        incarnation = self.servers[name].incarnation
        assert incarnation is not None, "it runs"
        incarnation.is_over = True
        self._crashed.append(incarnation)
        self.servers[name].incarnation = None
        lost = [one for one in self._awaited if one[0] is incarnation]
        self._awaited = [one for one in self._awaited if one[0] is not incarnation]
        for _, _, answered in lost:
            answered(None)

    def ask(self, server: str, request: Request, answered: Callable[[Answer | None], None]) -> None:
        """A client's request; None is the answer of a server that is down or crashes."""
        incarnation = self.servers[server].incarnation
        if incarnation is None or not incarnation.is_listening:
            answered(None)
        else:
            self._bring(incarnation, request, answered)

    def answer_to(self, server: str, request: Request) -> Answer:
        """Of a request that must be answered."""
        answers: list[Answer | None] = []
        self.ask(server, request, answers.append)
        self.run_until(lambda: bool(answers), 120)
        assert answers[0] is not None, f"{server} is down"
        return answers[0]

    def _next_instant(self) -> float:
        timers = [server.next_timer() for server in self.servers.values()]
        coming = self._coming[0][0] if self._coming else float("inf")
        # Never now itself, or a timer that is a rounding error away would never come.
        return max(self.now + _INSTANT, min(coming, *timers))

    def _pass_until(self, instant: float) -> None:
        self.now = instant
        while self._coming and self._coming[0][0] <= instant:
            heapq.heappop(self._coming)[2]()
        for server in self.servers.values():
            incarnation = server.incarnation
            if incarnation is not None:
                self._as(incarnation, partial(incarnation.pass_until, instant))
        self._look_for_answers()

    def _as(self, incarnation: Incarnation, act: Callable[[], Any]) -> Any:
        """What is asked of others meanwhile, this server asks."""
        before, self._running = self._running, incarnation
        try:
            return act()
        finally:
            self._running = before

    def _look_for_answers(self) -> None:
        still: list[tuple[Incarnation, Exchange, Callable[[Answer | None], None]]] = []
        awaited, self._awaited = self._awaited, still
        for incarnation, exchange, answered in awaited:
            answer = exchange.answer
            if answer is None:
                still.append((incarnation, exchange, answered))
                continue
            if answer.status == 500:
                self.failures.append(f"{incarnation.name} has an internal error")
            answered(answer)

    def _bring(
        self, incarnation: Incarnation, request: Request, answered: Callable[[Answer | None], None]
    ) -> None:
        exchange = self._as(incarnation, lambda: Exchange(incarnation.door, request))
        self._awaited.append((incarnation, exchange, answered))

    async def _request(self, method: str, url: str, **options: Any) -> Response:
        """In the place of `Outbound.request`."""
        asking = self._running
        assert asking is not None, "somebody asks"
        parts = urlsplit(url)
        if parts.path.startswith("/.well-known"):
            raise RequestFailed("there is no such file")
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        request = Request(method, target, dict(options.get("headers") or {}), options.get("body") or b"")
        waiting: Deferred[Response] = Deferred()
        self._send(asking, parts.netloc, request, waiting)
        if self.random.random() < self.weather.doubled:
            unheeded: Deferred[Response] = Deferred()
            unheeded.addErrback(lambda _: None)
            self._send(asking, parts.netloc, request, unheeded)
        return await waiting

    def _send(
        self, asking: Incarnation, destination: str, request: Request, waiting: Deferred[Response]
    ) -> None:
        def give_up() -> None:
            self._tell(asking, waiting, None)

        def come_back(answer: Answer | None) -> None:
            if answer is None or self._is_lost(asking.name, destination):
                self.later(_GIVEN_UP_SECONDS, give_up)
            else:
                self.later(self._on_the_way(), lambda: self._tell(asking, waiting, answer))

        def arrive() -> None:
            there = self.servers[destination].incarnation
            if there is None or not there.is_listening:
                # Refused at once, as by a machine on which nobody listens.
                give_up()
            elif self._is_lost(asking.name, destination):
                self.later(_GIVEN_UP_SECONDS, give_up)
            else:
                self._bring(there, request, come_back)

        self.later(self._on_the_way(), arrive)

    def _tell(self, asking: Incarnation, waiting: Deferred[Response], answer: Answer | None) -> None:
        if asking.is_over or waiting.called:
            return
        if answer is None:
            self._as(asking, lambda: waiting.errback(RequestFailed("nobody answers")))
        else:
            response = Response(answer.status, dict(answer.headers), answer.body)
            self._as(asking, lambda: waiting.callback(response))

    def _is_lost(self, one: str, other: str) -> bool:
        return frozenset((one, other)) in self.weather.parted or self.random.random() < self.weather.lost

    def _on_the_way(self) -> float:
        return self.random.uniform(0.001, self.weather.slowest)
