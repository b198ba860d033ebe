"""Signed requests over the wire: whose are believed."""

from dataclasses import replace
from typing import Any

from federation.x_matrix import authorization
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.signing import SigningKey
from tests.client import Answer
from tests.wire import WireServer, WireTestCase

PROFILE = "/_matrix/federation/v1/query/profile"
UNAUTHORIZED = (401, "M_UNAUTHORIZED")


class AuthenticationTests(WireTestCase):
    settings = ("federation_domain_blocklist=[evil.example, '*.evil.example']",)

    def setUp(self) -> None:
        super().setUp()
        self.user_id = self.register("alice").user_id
        self.remote = self.other_server()

    def ask(self, server: WireServer, **headers: str) -> Answer:
        request = server.compose("GET", PROFILE, query={"user_id": self.user_id})
        return server.answer_to(replace(request, headers={**request.headers, **headers}))

    def test_a_signed_request(self) -> None:
        self.assertEqual(self.ask(self.remote).status, 200)

    def test_no_signature(self) -> None:
        answer = self.anonymous.get(PROFILE, user_id=self.user_id)
        self.assertEqual(answer.error, UNAUTHORIZED)
        self.assertEqual(self.ask(self.remote, Authorization="Bearer x").error, UNAUTHORIZED)

    def test_another_key(self) -> None:
        self.remote.key = SigningKey("1", b"\x05" * 32)
        self.assertEqual(self.ask(self.remote).error, UNAUTHORIZED)

    def test_what_was_signed_is_something_else(self) -> None:
        request = self.remote.compose("GET", PROFILE, query={"user_id": self.user_id})
        for changes in ({"target": request.target + "&field=displayname"}, {"body": b"{}"}):
            self.assertEqual(self.remote.answer_to(replace(request, **changes)).error, UNAUTHORIZED)

    def sealed_for(self, destination: str, **changes: Any) -> Answer:
        request = self.remote.compose("GET", PROFILE, query={"user_id": self.user_id})
        names = (self.remote.server_name, ServerName(destination))
        header = authorization("GET", request.target, *names, self.remote.key)
        return self.ask(self.remote, Authorization=header)

    def test_another_destination(self) -> None:
        self.assertEqual(self.sealed_for("test").status, 200)
        self.assertEqual(self.sealed_for("other.example").error, UNAUTHORIZED)

    def test_this_server_itself(self) -> None:
        self.assertEqual(self.ask(WireServer(self.site, "test")).error, UNAUTHORIZED)

    def test_servers_that_are_shut_out(self) -> None:
        for name in ("evil.example", "very.evil.example", "EVIL.example:8448"):
            self.assertEqual(self.ask(self.other_server(name)).error, (403, "M_FORBIDDEN"))

    def test_a_server_that_nobody_can_ask_for_its_keys(self) -> None:
        request = WireServer(self.site, "1.2.3.4").start("GET", PROFILE, query={"user_id": self.user_id})
        self.assertIsNone(request.answer)
        self.advance(60)
        assert request.answer is not None
        self.assertEqual(request.answer.error, UNAUTHORIZED)

    def test_keys_of_yesterday(self) -> None:
        self.advance(8 * 24 * 3600)
        request = self.remote.start("GET", PROFILE, query={"user_id": self.user_id})
        # It asks for newer keys, in vain.
        self.advance(60)
        self.advance(60)
        assert request.answer is not None
        self.assertEqual(request.answer.error, UNAUTHORIZED)

    def test_not_json(self) -> None:
        answer = self.remote.request("POST", "/_matrix/federation/v1/publicRooms", b"{")
        self.assertEqual(answer.error, (400, "M_NOT_JSON"))


class AllowListTests(WireTestCase):
    settings = ("federation_domain_whitelist=[good.example]",)

    def test_only_those(self) -> None:
        user_id = self.register("alice").user_id
        for name, status in (("good.example", 200), ("remote.example", 403)):
            answer = self.other_server(name).get(PROFILE, user_id=user_id)
            self.assertEqual((name, answer.status), (name, status))
