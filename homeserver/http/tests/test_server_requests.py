"""Requests that other servers sign: who asks, and how much one of them may ask."""

from typing import Any, cast

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeReactor
from twisted.trial.unittest import SynchronousTestCase

from config.rate_limits import FederationRateLimit, RateLimits
from homeserver.http.dispatch import Dispatcher, Incoming, Rendered
from homeserver.http.endpoint import Auth, Limit, endpoint, endpoints_of
from homeserver.http.limits import RateLimiter
from homeserver.http.requester import (
    NOBODY_ELSE,
    ActingAs,
    NoServers,
    Requester,
    ServerAuthenticator,
    ServerRequest,
)
from homeserver.http.router import Router
from homeserver.protocol.errors import NotFound, Unauthorized
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.runtime.clock import Clock, ReactorTime

LIMIT = FederationRateLimit(window_size=1000, sleep_limit=5, sleep_delay=500, reject_limit=4, concurrent=2)


class NoUsers:
    async def requester(
        self, access_token: str, address: str, user_agent: str, acting_as: ActingAs = NOBODY_ELSE
    ) -> Requester:
        raise AssertionError("no user asks here")


class Seals:
    """The header is the server's name."""

    def __init__(self) -> None:
        self.seen: list[ServerRequest] = []

    async def origin(self, request: ServerRequest) -> ServerName:
        self.seen.append(request)
        if not request.authorization:
            raise Unauthorized("Not signed")
        return ServerName(request.authorization)


class Said(msgspec.Struct):
    word: str


class Asked:
    def __init__(self) -> None:
        self.calls = 0
        self.going_on: Deferred[None] = Deferred()

    @endpoint("GET", "/quick", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def quick(self, origin: ServerName) -> str:
        return origin

    @endpoint("GET", "/missing", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def missing(self) -> str:
        raise NotFound("There is no such thing")

    @endpoint("GET", "/slow", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def slow(self) -> JsonObject:
        self.calls += 1
        await self.going_on
        return {}

    @endpoint("PUT", "/once/{txn}", auth=Auth.SERVER, limit=Limit.FEDERATION, replay_by="txn", max_body=20)
    async def once(self, origin: ServerName, txn: str, body: Said) -> str:
        self.calls += 1
        await self.going_on
        return body.word


class ServerRequestTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.asked, self.seals = Asked(), Seals()
        self.dispatcher = self.dispatching(self.seals)

    def dispatching(self, servers: ServerAuthenticator) -> Dispatcher:
        clock = Clock(cast(ReactorTime, self.reactor))
        limits = RateLimits(federation=LIMIT)
        router = Router(endpoints_of(self.asked))
        return Dispatcher(router, NoUsers(), RateLimiter(clock), limits, clock, servers)

    def start(self, method: str, path: str, server: str | None, body: bytes = b"") -> Deferred[Rendered]:
        incoming = Incoming(method, path, {}, "", "", server, len(body), lambda: body, f"{path}?a=%20")
        return Deferred.fromCoroutine(self.dispatcher.answer(incoming))

    def answer(self, *request: Any) -> tuple[int, Any]:
        return self.result(self.start(*request))

    def result(self, work: Deferred[Rendered]) -> tuple[int, Any]:
        rendered = self.successResultOf(work)
        value = decode_json(rendered.body)
        return rendered.status, value.get("errcode", value) if isinstance(value, dict) else value


class OriginTests(ServerRequestTestCase):
    def test_who_asks(self) -> None:
        self.assertEqual(self.answer("GET", "/quick", "a.example"), (200, "a.example"))
        self.assertEqual(self.answer("GET", "/quick", None), (401, "M_UNAUTHORIZED"))

    def test_what_was_signed(self) -> None:
        self.asked.going_on.callback(None)
        self.answer("PUT", "/once/1", "a.example", b'{"word":"x"}')
        expected = ServerRequest("PUT", "/once/1?a=%20", "a.example", b'{"word":"x"}')
        self.assertEqual(self.seals.seen, [expected])

    def test_what_is_too_large_is_not_even_checked(self) -> None:
        answer = self.answer("PUT", "/once/1", "a.example", b'{"word":"xxxxxxxxxxxxxx"}')
        self.assertEqual((answer, self.seals.seen), ((413, "M_TOO_LARGE"), []))

    def test_a_server_that_talks_to_nobody(self) -> None:
        self.dispatcher = self.dispatching(NoServers())
        self.assertEqual(self.answer("GET", "/quick", "a.example"), (401, "M_UNAUTHORIZED"))

    def test_a_repeated_request_shares_its_answer(self) -> None:
        body = b'{"word":"x"}'
        requests = [
            self.start("PUT", "/once/1", server, body) for server in ("a.example", "a.example", "b.example")
        ]
        self.asked.going_on.callback(None)
        self.assertEqual([self.result(request) for request in requests], [(200, "x")] * 3)
        self.assertEqual(self.asked.calls, 2)

    def test_the_limit_belongs_to_servers(self) -> None:
        class Wrong:
            @endpoint("GET", "/x", auth=Auth.SERVER, limit=Limit.NONE)
            async def x(self) -> None:
                """Counts towards nothing."""

        self.assertRaises(TypeError, list, endpoints_of(Wrong()))


class LimitTests(ServerRequestTestCase):
    def test_few_at_the_same_time(self) -> None:
        requests = [self.start("GET", "/slow", "a.example") for _ in range(4)]
        self.assertEqual(self.asked.calls, 2)
        self.start("GET", "/slow", "b.example")
        self.assertEqual(self.asked.calls, 3)
        self.asked.going_on.callback(None)
        self.assertEqual([self.result(request) for request in requests], [(200, {})] * 4)

    def test_the_place_of_one_who_failed_is_free(self) -> None:
        failed = [self.answer("GET", "/missing", "a.example") for _ in range(3)]
        self.assertEqual(failed, [(404, "M_NOT_FOUND")] * 3)
        self.assertEqual(self.answer("GET", "/quick", "a.example"), (200, "a.example"))

    def test_many_are_delayed(self) -> None:
        requests = [self.start("GET", "/quick", "a.example") for _ in range(7)]
        self.assertEqual([request.called for request in requests], [True] * 5 + [False] * 2)
        self.reactor.advance(0.5)
        self.assertTrue(all(request.called for request in requests))

    def test_too_many_are_refused(self) -> None:
        requests = [self.start("GET", "/quick", "a.example") for _ in range(10)]
        refused = self.successResultOf(requests[-1])
        self.assertEqual((refused.status, decode_json(refused.body)["retry_after_ms"]), (429, 201))
        self.assertFalse(requests[-2].called)
        self.reactor.advance(1)
        self.assertEqual(self.answer("GET", "/quick", "a.example"), (200, "a.example"))
