"""One way for all requests: who may call, what is shared, and what becomes of errors."""

import logging
from typing import Any, cast

import msgspec
from prometheus_client import REGISTRY
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock as FakeReactor
from twisted.trial.unittest import SynchronousTestCase

from config.rate_limits import RateLimit, RateLimits
from homeserver.http.dispatch import Dispatcher, Incoming, Rendered
from homeserver.http.endpoint import Answer, Auth, Caller, Limit, endpoint, endpoints_of
from homeserver.http.limits import RateLimiter
from homeserver.http.requester import NOBODY_ELSE, ActingAs, Requester
from homeserver.http.router import Router
from homeserver.protocol.errors import LimitExceeded, NotFound, UnknownToken
from homeserver.protocol.identifiers import DeviceID, UserID
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.runtime.log_context import current_log_context
from homeserver.storage.engine import DatabaseUnavailable

USERS = {
    "alice": Requester(UserID("@alice:test"), 1, DeviceID("A"), 11),
    "alices-phone": Requester(UserID("@alice:test"), 1, DeviceID("B"), 12),
    "bob": Requester(UserID("@bob:test"), 2, DeviceID("A"), 21),
    "guest": Requester(UserID("@1:test"), 3, DeviceID("A"), 31, is_guest=True),
    "admin": Requester(UserID("@admin:test"), 4, DeviceID("A"), 41, is_admin=True),
    "locked": Requester(UserID("@locked:test"), 5, DeviceID("A"), 51, is_locked=True),
    "suspended": Requester(UserID("@suspended:test"), 6, DeviceID("A"), 61, is_suspended=True),
}


class Tokens:
    """Each user's name is the token."""

    async def requester(
        self, access_token: str, address: str, user_agent: str, acting_as: ActingAs = NOBODY_ELSE
    ) -> Requester:
        if access_token not in USERS:
            raise UnknownToken("Unrecognised access token")
        return USERS[access_token]


class Things:
    """Endpoints of every kind. `waits_for` decides when the slow ones end."""

    def __init__(self) -> None:
        self.calls = 0
        self.ended: list[str] = []
        self.waits_for: Deferred[object] = Deferred()
        self.context: dict[str, str] = {}

    @endpoint("GET", "/none", auth=Auth.NONE, limit=Limit.NONE)
    async def none(self, requester: Requester | None) -> str:
        return _name(requester)

    @endpoint("GET", "/optional", auth=Auth.OPTIONAL, limit=Limit.NONE)
    async def optional(self, requester: Requester | None) -> str:
        return _name(requester)

    @endpoint("GET", "/guest", auth=Auth.GUEST, limit=Limit.NONE)
    async def guest(self, requester: Requester) -> str:
        return _name(requester)

    @endpoint("GET", "/user", auth=Auth.USER, limit=Limit.NONE)
    async def user(self, requester: Requester) -> str:
        self.context = dict(current_log_context())
        return _name(requester)

    @endpoint("GET", "/leaving", auth=Auth.LEAVING, limit=Limit.NONE)
    async def leaving(self, requester: Requester) -> str:
        return _name(requester)

    @endpoint("GET", "/telling", auth=Auth.GUEST, limit=Limit.NONE, suspended=False)
    async def telling(self, requester: Requester) -> str:
        return _name(requester)

    @endpoint("GET", "/admin", auth=Auth.ADMIN, limit=Limit.NONE)
    async def admin(self, requester: Requester) -> str:
        return _name(requester)

    @endpoint("GET", "/caller", auth=Auth.NONE, limit=Limit.NONE)
    async def caller(self, caller: Caller) -> list[str | None]:
        return [caller.address, caller.user_agent, caller.access_token]

    @endpoint("GET", "/limited", auth=Auth.OPTIONAL, limit=Limit.MESSAGES)
    async def limited(self) -> JsonObject:
        return {}

    @endpoint("PUT", "/small", auth=Auth.NONE, limit=Limit.NONE, max_body=10)
    async def small(self, body: JsonObject) -> JsonObject:
        return body

    @endpoint("GET", "/answer", auth=Auth.NONE, limit=Limit.NONE)
    async def answer(self) -> Answer:
        return Answer(302, b"away", (("Location", "https://x"), ("content-type", "text/plain")))

    @endpoint("GET", "/raw", auth=Auth.NONE, limit=Limit.NONE)
    async def raw(self) -> msgspec.Raw:
        return msgspec.Raw(b'{"as":"it is"}')

    @endpoint("GET", "/missing", auth=Auth.NONE, limit=Limit.NONE)
    async def missing(self) -> None:
        raise NotFound("There is no such thing", hint=5)

    @endpoint("GET", "/too-fast", auth=Auth.NONE, limit=Limit.NONE)
    async def too_fast(self) -> None:
        raise LimitExceeded("Slower", retry_after_ms=1001)

    @endpoint("GET", "/broken", auth=Auth.NONE, limit=Limit.NONE)
    async def broken(self) -> None:
        raise ZeroDivisionError("a secret of the server")

    @endpoint("GET", "/no-database", auth=Auth.NONE, limit=Limit.NONE)
    async def no_database(self) -> None:
        raise DatabaseUnavailable("the disk is gone")

    @endpoint("PUT", "/once/{txn}", auth=Auth.OPTIONAL, limit=Limit.NONE, replay_by="txn")
    async def once(self, txn: str) -> int:
        self.calls += 1
        number = self.calls
        await self.waits_for
        self.ended.append(txn)
        return number

    @endpoint("POST", "/steps", auth=Auth.NONE, limit=Limit.NONE)
    async def steps(self) -> None:
        await self.waits_for
        self.ended.append("steps")

    @endpoint("GET", "/poll", auth=Auth.NONE, limit=Limit.NONE, waits=True)
    async def poll(self) -> None:
        try:
            await self.waits_for
        except CancelledError:
            self.ended.append("poll")
            raise


def _name(requester: Requester | None) -> str:
    return "nobody" if requester is None else requester.user_id


class DispatchTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.things = Things()
        self.reactor = FakeReactor()
        # Cast, because the interfaces in its signatures mean nothing to a type checker.
        clock = Clock(cast(ReactorTime, self.reactor))
        self.dispatcher = Dispatcher(
            Router(endpoints_of(self.things)),
            Tokens(),
            RateLimiter(clock),
            RateLimits(messages=RateLimit(per_second=0.5, burst=1)),
            clock,
        )

    def start(self, method: str, path: str, token: str | None = None, **changes: Any) -> Deferred[Rendered]:
        body: bytes = changes.pop("body", b"")
        incoming = Incoming(
            method=method,
            path=path,
            query=changes.pop("query", {}),
            address=changes.pop("address", "192.0.2.1"),
            user_agent="agent",
            authorization=None if token is None else f"Bearer {token}",
            body_length=changes.pop("body_length", len(body)),
            read_body=lambda: body,
        )
        for name, value in changes.items():
            setattr(incoming, name, value)
        return Deferred.fromCoroutine(self.dispatcher.answer(incoming))

    def rendered(self, method: str, path: str, token: str | None = None, **changes: Any) -> Rendered:
        return self.successResultOf(self.start(method, path, token, **changes))

    def get(self, path: str, token: str | None = None, **changes: Any) -> tuple[int, Any]:
        """Status, and the errcode or the JSON."""
        rendered = self.rendered("GET", path, token, **changes)
        value = decode_json(rendered.body)
        return rendered.status, value.get("errcode", value) if isinstance(value, dict) else value


class RequesterTests(DispatchTestCase):
    MISSING, UNKNOWN = (401, "M_MISSING_TOKEN"), (401, "M_UNKNOWN_TOKEN")
    GUEST, FORBIDDEN = (403, "M_GUEST_ACCESS_FORBIDDEN"), (403, "M_FORBIDDEN")

    def test_who_may_call_what(self) -> None:
        nobody = (200, "nobody")
        alice, guest, admin = ((200, USERS[name].user_id) for name in ("alice", "guest", "admin"))
        tokens = (None, "alice", "guest", "admin", "stranger")
        expected = {
            "/none": (nobody,) * 5,
            "/optional": (nobody, alice, guest, admin, self.UNKNOWN),
            "/guest": (self.MISSING, alice, guest, admin, self.UNKNOWN),
            "/user": (self.MISSING, alice, self.GUEST, admin, self.UNKNOWN),
            "/admin": (self.MISSING, self.FORBIDDEN, self.FORBIDDEN, admin, self.UNKNOWN),
        }
        for path, outcomes in expected.items():
            self.assertEqual((path, tuple(self.get(path, token) for token in tokens)), (path, outcomes))

    def test_locked_accounts_may_only_leave(self) -> None:
        for path in ("/optional", "/guest", "/user"):
            self.assertEqual(self.get(path, "locked"), (401, "M_USER_LOCKED"))
        self.assertIs(decode_json(self.rendered("GET", "/user", "locked").body)["soft_logout"], True)
        self.assertEqual(self.get("/leaving", "locked"), (200, "@locked:test"))

    def test_suspended_accounts_tell_nobody_anything(self) -> None:
        self.assertEqual(self.get("/user", "suspended"), (200, "@suspended:test"))
        self.assertEqual(self.get("/telling", "suspended"), (403, "M_USER_SUSPENDED"))
        self.assertEqual(self.get("/telling", "alice"), (200, "@alice:test"))

    def test_where_the_token_may_be(self) -> None:
        for header in ("Bearer alice", "bearer alice", "BEARER  alice "):
            self.assertEqual(self.get("/user", authorization=header), (200, "@alice:test"))
        self.assertEqual(self.get("/user", query={b"access_token": [b"alice"]}), (200, "@alice:test"))

    def test_the_header_wins(self) -> None:
        query = {b"access_token": [b"bob"]}
        self.assertEqual(self.get("/user", "alice", query=query), (200, "@alice:test"))

    def test_headers_that_hold_no_token(self) -> None:
        for header in ("alice", "Basic alice", "Beareralice"):
            self.assertEqual(self.get("/user", authorization=header), self.MISSING)

    def test_a_token_that_is_no_text(self) -> None:
        self.assertEqual(self.get("/user", query={b"access_token": [b"\xff"]}), self.UNKNOWN)

    def test_caller(self) -> None:
        self.assertEqual(self.get("/caller", "alice"), (200, ["192.0.2.1", "agent", "alice"]))
        self.assertEqual(self.get("/caller"), (200, ["192.0.2.1", "agent", None]))


class AnswerTests(DispatchTestCase):
    def test_plain(self) -> None:
        rendered = self.rendered("GET", "/none")
        self.assertEqual((rendered.status, rendered.body), (200, b'"nobody"'))
        self.assertEqual(rendered.headers, ((b"Content-Type", b"application/json"),))

    def test_encoded_already(self) -> None:
        self.assertEqual(self.rendered("GET", "/raw").body, b'{"as":"it is"}')

    def test_with_a_status_and_headers_of_its_own(self) -> None:
        rendered = self.rendered("GET", "/answer")
        self.assertEqual((rendered.status, rendered.body), (302, b"away"))
        self.assertEqual(rendered.headers, ((b"Location", b"https://x"), (b"content-type", b"text/plain")))

    def test_matrix_errors(self) -> None:
        rendered = self.rendered("GET", "/missing")
        self.assertEqual(rendered.status, 404)
        self.assertEqual(
            decode_json(rendered.body),
            {"errcode": "M_NOT_FOUND", "error": "There is no such thing", "hint": 5},
        )

    def test_paths_and_methods_that_are_not_there(self) -> None:
        self.assertEqual(self.get("/nowhere"), (404, "M_UNRECOGNIZED"))
        self.assertEqual(self.rendered("DELETE", "/none").status, 405)

    def test_retry_after_is_rounded_up_to_seconds(self) -> None:
        rendered = self.rendered("GET", "/too-fast")
        self.assertEqual(rendered.status, 429)
        self.assertIn((b"Retry-After", b"2"), rendered.headers)
        self.assertEqual(decode_json(rendered.body)["retry_after_ms"], 1001)

    def test_bodies_that_are_too_large_are_not_read(self) -> None:
        def read() -> bytes:
            self.fail("it was read")

        rendered = self.rendered("PUT", "/small", body_length=11, read_body=read)
        self.assertEqual((rendered.status, decode_json(rendered.body)["errcode"]), (413, "M_TOO_LARGE"))
        self.assertEqual(self.rendered("PUT", "/small", body=b'{"a": 100}').status, 200)


class LimitTests(DispatchTestCase):
    def test_users_by_their_name_and_others_by_their_address(self) -> None:
        for token, address in (
            ("alice", "1.1.1.1"),
            ("bob", "1.1.1.1"),
            (None, "1.1.1.1"),
            (None, "2.2.2.2"),
        ):
            self.assertEqual(self.get("/limited", token, address=address)[0], 200)
        for token, address in (("alice", "3.3.3.3"), ("alices-phone", "3.3.3.3"), (None, "2.2.2.2")):
            self.assertEqual(self.get("/limited", token, address=address), (429, "M_LIMIT_EXCEEDED"))
        self.reactor.advance(2)
        self.assertEqual(self.get("/limited", "alice")[0], 200)


class FailureTests(DispatchTestCase):
    def test_the_client_learns_nothing_and_the_log_everything(self) -> None:
        with self.assertLogs("homeserver.http.dispatch", "ERROR") as logs:
            rendered = self.rendered("GET", "/broken")
        self.assertEqual(rendered.status, 500)
        self.assertEqual(
            decode_json(rendered.body), {"errcode": "M_UNKNOWN", "error": "Internal server error"}
        )
        (line,) = logs.output
        self.assertIn("GET /broken failed", line)
        self.assertIn("ZeroDivisionError: a secret of the server", line)

    def test_the_log_line_has_the_number_of_the_request(self) -> None:
        seen: list[str] = []

        class Keep(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                seen.append(current_log_context()["request"])

        keep, log = Keep(), logging.getLogger("homeserver.http.dispatch")
        log.addHandler(keep)
        self.addCleanup(log.removeHandler, keep)
        for _ in range(2):
            self.rendered("GET", "/broken")
        self.assertEqual(seen, ["GET-1", "GET-2"])
        self.assertEqual(current_log_context(), {})

    def test_log_lines_name_request_and_user(self) -> None:
        self.get("/user", "alice")
        self.assertEqual(self.things.context, {"request": "GET-1", "user": "@alice:test"})

    def test_without_the_database_clients_may_try_again(self) -> None:
        with self.assertLogs("homeserver.http.dispatch", "ERROR") as logs:
            rendered = self.rendered("GET", "/no-database")
        self.assertEqual(rendered.status, 503)
        self.assertNotIn(b"disk", rendered.body)
        self.assertNotIn("Traceback", logs.output[0])

    def test_requests_are_counted_while_they_last(self) -> None:
        def in_flight() -> float | None:
            return REGISTRY.get_sample_value("folkmoot_requests_in_flight")

        started = self.start("GET", "/poll")
        self.assertEqual(in_flight(), 1)
        self.things.waits_for.callback(None)
        self.successResultOf(started)
        self.assertEqual(in_flight(), 0)


class ReplayTests(DispatchTestCase):
    """A request that is repeated while it is under way."""

    def put(self, txn: str, token: str | None = "alice") -> Deferred[Rendered]:
        return self.start("PUT", f"/once/{txn}", token)

    def bodies(self, *started: Deferred[Rendered]) -> list[Any]:
        self.things.waits_for.callback(None)
        return [decode_json(self.successResultOf(one).body) for one in started]

    def test_shares_the_first_ones_answer(self) -> None:
        self.assertEqual(self.bodies(self.put("1"), self.put("1"), self.put("1")), [1, 1, 1])
        self.assertEqual(self.things.calls, 1)

    def test_others_do_not(self) -> None:
        started = [self.put("1"), self.put("2"), self.put("1", "alices-phone"), self.put("1", "bob")]
        self.assertEqual(self.bodies(*started), [1, 2, 3, 4])

    def test_shares_its_error_too(self) -> None:
        started = [self.put("1"), self.put("1")]
        self.things.waits_for.errback(NotFound("no"))
        self.assertEqual([self.successResultOf(one).status for one in started], [404, 404])

    def test_after_the_answer_it_is_the_features_business(self) -> None:
        self.bodies(self.put("1"))
        self.assertEqual(decode_json(self.successResultOf(self.put("1")).body), 2)

    def test_it_is_answered_although_the_first_client_is_gone(self) -> None:
        """As when a phone changes its network: the repetition comes before the old connection ends."""
        first, second = self.put("1"), self.put("1")
        first.cancel()
        self.assertEqual(self.successResultOf(first).status, 499)
        self.assertNoResult(second)
        self.assertEqual(self.bodies(second), [1])

    def test_it_may_come_after_the_first_client_is_gone(self) -> None:
        self.put("1").cancel()
        self.assertEqual(self.bodies(self.put("1")), [1])
        self.assertEqual(self.things.ended, ["1"])


class GoneTests(DispatchTestCase):
    """The client hangs up."""

    def test_a_long_poll_ends(self) -> None:
        started = self.start("GET", "/poll")
        started.cancel()
        self.assertEqual(self.successResultOf(started).status, 499)
        self.assertEqual(self.things.ended, ["poll"])

    def test_what_was_begun_is_done(self) -> None:
        started = self.start("POST", "/steps")
        started.cancel()
        self.assertEqual(self.successResultOf(started).status, 499)
        self.things.waits_for.callback(None)
        self.assertEqual(self.things.ended, ["steps"])

    def test_what_fails_then_is_logged(self) -> None:
        self.start("POST", "/steps").cancel()
        with self.assertLogs("homeserver.http.dispatch", "ERROR") as logs:
            self.things.waits_for.errback(ZeroDivisionError("oh"))
        self.assertIn("ZeroDivisionError: oh", logs.output[0])
