"""What is wrong with a request is told by a Matrix error, at every endpoint, and never by a 500.

What makes no event (floats, integers out of range, sizes) is tested in homeserver.rooms.tests.
"""

import re
from collections import defaultdict
from math import ceil

from homeserver.http.endpoint import Auth, Limit
from homeserver.protocol.identifiers import RoomID, UserID
from tests.client import Answer
from tests.targets import NEEDS_TOKEN, Target, TargetTestCase
from tests.wire import LIMITS, WireClient, each

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")


class RouteTests(TargetTestCase):
    def test_wrong_methods(self) -> None:
        methods = defaultdict(set)
        for target in self.targets:
            methods[target.path()].add(target.method)

        def check(path: str) -> None:
            for method in METHODS:
                if method not in methods[path]:
                    answer = self.alice.request(method, path)
                    self.assertEqual((method, *answer.error), (method, 405, "M_UNRECOGNIZED"))

        each(check, list(methods))

    def test_every_endpoint_is_found(self) -> None:
        def check(target: Target) -> None:
            answer = self.for_caller(target).request(target.method, target.path(), {})
            self.assertNotIn(b'"errcode":"M_UNRECOGNIZED"', answer.body)
            self.assertNotIn(b'"errcode":"M_MISSING_TOKEN"', answer.body)

        # Without those that end the session which the next ones need.
        each(check, [target for target in self.targets if "logout" not in target.template])

    def test_unknown_paths(self) -> None:
        def check(path: str) -> None:
            for client in (self.alice, self.anonymous):
                self.assertEqual(client.get(path).error, (404, "M_UNRECOGNIZED"))

        each(
            check,
            [
                "/_matrix",
                "/_matrix/client",
                "/_matrix/client/v3/nothing",
                "/_matrix/client/v3/sync/",
                "/_matrix/client/v3//sync",
                "/_matrix/client/v99/sync",
                "/_matrix/client/v3/rooms",
                "/_matrix/client/v3/rooms/!a:test/nothing",
                "/_matrix/client/v3/%73ync",
                "/_matrix/client/v3/..%2Fv3%2Fsync",
                "/_folkmoot/nothing",
            ],
        )


class TokenTests(TargetTestCase):
    def closed(self) -> list[Target]:
        return [target for target in self.targets if target.endpoint.auth in NEEDS_TOKEN]

    def test_none(self) -> None:
        def check(target: Target) -> None:
            for headers in ({}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer"}):
                answer = self.anonymous.request(target.method, target.path(), {}, headers=headers)
                self.assertEqual(answer.error, (401, "M_MISSING_TOKEN"))

        each(check, self.closed())

    def test_unknown(self) -> None:
        """Where a token is not needed, a wrong one is refused all the same if a good one would matter."""

        def check(target: Target) -> None:
            for token in ("x", "fmt_" + "x" * 36, "é" * 1000, '"', "a b"):
                stranger = WireClient(self.site, access_token=token)
                answer = stranger.request(target.method, target.path(), {})
                self.assertEqual((token, *answer.error), (token, 401, "M_UNKNOWN_TOKEN"))

        optional = [target for target in self.targets if target.endpoint.auth is Auth.OPTIONAL]
        each(check, self.closed() + optional)

    def test_unknown_in_the_query(self) -> None:
        def check(target: Target) -> None:
            answer = self.anonymous.request(target.method, target.path(), {}, query={"access_token": "é"})
            self.assertEqual(answer.error, (401, "M_UNKNOWN_TOKEN"))

        each(check, self.closed())

    def test_only_administrators(self) -> None:
        # The first user of a server is one.
        bob = self.register("bob")

        def check(target: Target) -> None:
            answer = bob.request(target.method, target.path(), {})
            self.assertEqual(answer.error, (403, "M_FORBIDDEN"))

        each(check, [target for target in self.targets if target.endpoint.auth is Auth.ADMIN])


class BodyTests(TargetTestCase):
    def with_body(self) -> list[Target]:
        return [target for target in self.newest() if target.body is not None and not target.is_form]

    def send(self, target: Target, body: bytes) -> Answer:
        # What the query must have is there, so that the body is looked at.
        query = dict.fromkeys(target.required_query(), "1")
        return self.for_caller(target).request(target.method, target.path(), body, query=query)

    def test_not_json(self) -> None:
        def check(target: Target) -> None:
            for body in (b"{", b'{"a":}', b"{'a': 1}", b"\xff", b'{"a": ' * 100_000):
                answer = self.send(target, body)
                self.assertEqual((body[:9], *answer.error), (body[:9], 400, "M_NOT_JSON"))

        each(check, self.with_body())

    def test_not_an_object(self) -> None:
        def check(target: Target) -> None:
            for body in (b"[]", b'"text"', b"5", b"true", b"null"):
                answer = self.send(target, body)
                self.assertEqual((body, *answer.error), (body, 400, "M_BAD_JSON"))

        each(check, self.with_body())

    def test_required_fields(self) -> None:
        def check(target: Target) -> None:
            self.assertEqual(self.send(target, b"{}").error, (400, "M_MISSING_PARAM"))

        each(check, [target for target in self.with_body() if target.required()])

    def test_fields_of_other_types(self) -> None:
        def check(target: Target) -> None:
            for field in target.required():
                answers: list[int] = []
                for value in ("{}", "5.5"):
                    answers.append(self.send(target, f'{{"{field}": {value}}}'.encode()).status)
                # Some fields are objects, and some are numbers.
                self.assertIn(400, answers)

        each(check, self.with_body())

    def test_too_large(self) -> None:
        def check(target: Target) -> None:
            body = b" " * (target.endpoint.max_body + 1)
            self.assertEqual(self.send(target, body).error, (413, "M_TOO_LARGE"))

        each(check, self.newest())

    def test_bodies_that_nobody_reads(self) -> None:
        def check(target: Target) -> None:
            self.assertLess(self.send(target, b"\xff{").status, 500)

        each(check, [target for target in self.newest() if target.body is None])


class PathTests(TargetTestCase):
    IDENTIFIERS = ("user_id", "room_id", "room_id_or_alias")

    def names(self, target: Target) -> list[str]:
        return re.findall(r"{(\w+)}", target.template)

    def test_escapes_that_make_no_text(self) -> None:
        def check(target: Target) -> None:
            for name in self.names(target):
                for text in ("%FF", "%C3", "a%00b", "%ED%A0%80"):
                    answer = self.for_caller(target).request(target.method, target.path(**{name: text}), {})
                    self.assertEqual((name, text, *answer.error), (name, text, 400, "M_INVALID_PARAM"))

        each(check, self.newest())

    def test_identifiers_that_are_none(self) -> None:
        def check(target: Target) -> None:
            for name in self.names(target):
                if name in self.IDENTIFIERS:
                    for text in ("x", "%20", "@alice", "!", "@:", "!x:", "%23x", "@" + "x" * 300 + ":test"):
                        path = target.path(**{name: text})
                        answer = self.for_caller(target).request(target.method, path, {})
                        self.assertEqual((text, *answer.error), (text, 400, "M_INVALID_PARAM"))

        each(check, self.newest())

    def test_identifiers_of_the_wrong_kind(self) -> None:
        def check(target: Target) -> None:
            wrong = {UserID: "!x:test", RoomID: "@x:test"}
            for name in self.names(target):
                kind = target.endpoint.parameters[name]
                if kind in wrong:
                    path = target.path(**{name: wrong[kind]})
                    answer = self.for_caller(target).request(target.method, path, {})
                    self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

        each(check, self.newest())

    def test_names_of_any_length(self) -> None:
        def check(target: Target) -> None:
            for name in self.names(target):
                for text in ("x" * 5000, "%F0%9F%90%88" * 300, "%2F", "..", "%25", "'%3B--"):
                    answer = self.for_caller(target).request(target.method, target.path(**{name: text}), {})
                    self.assertLess(answer.status, 500)

        each(check, self.newest())


class QueryTests(TargetTestCase):
    def with_query(self) -> list[Target]:
        return [target for target in self.newest() if "query" in target.endpoint.parameters]

    def test_not_text(self) -> None:
        def check(target: Target) -> None:
            query = [("x", b"\xff")]
            answer = self.for_caller(target).request(target.method, target.path(), {}, query=query)
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

        each(check, self.with_query())

    def test_what_nobody_asked_for(self) -> None:
        def check(target: Target) -> None:
            client = self.for_caller(target)
            query = [("unknown", "x"), ("unknown", "y"), ("", "")]
            plain = client.request(target.method, target.path(), {})
            self.assertEqual(
                client.request(target.method, target.path(), {}, query=query).status, plain.status
            )

        each(check, [target for target in self.newest() if target.method == "GET"])


class RateLimitTests(TargetTestCase):
    settings = tuple(f"{name}={{per_second: 0.1, burst_count: 1}}" for name in LIMITS)

    def setUp(self) -> None:
        super().setUp()
        self.advance(3600)

    def register(self, username: str) -> WireClient:
        self.advance(3600)
        return super().register(username)

    def test_a_second_request_at_once_is_one_too_many(self) -> None:
        def check(target: Target) -> None:
            self.advance(3600)
            client = self.for_caller(target)
            first, second = (client.request(target.method, target.path(), {}) for _ in range(2))
            self.assertNotEqual(first.status, 429)
            self.assertEqual(second.error, (429, "M_LIMIT_EXCEEDED"))
            wait = second.json["retry_after_ms"]
            self.assertTrue(9_900 < wait <= 10_001, wait)
            self.assertEqual(second.headers["retry-after"], str(ceil(wait / 1000)))
            self.advance(10)
            self.assertNotEqual(client.request(target.method, target.path(), {}).status, 429)

        # Servers are delayed first; homeserver/http/tests/test_server_requests.py is about them.
        unlimited = (Limit.NONE, Limit.FEDERATION)
        limited = [target for target in self.targets if target.endpoint.limit not in unlimited]
        self.assertGreater(len(limited), 10)
        each(check, limited)
