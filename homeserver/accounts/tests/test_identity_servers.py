from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from homeserver.accounts.address import Address
from homeserver.accounts.identity_servers import IdentityServerRefusal, IdentityServers
from homeserver.accounts.tests.others import PlayedOutbound
from homeserver.protocol.errors import InvalidParam, RemoteFailed
from homeserver.protocol.identifiers import ServerName, UserID
from homeserver.protocol.json import JsonValue, decode_json

_ALICE = UserID("@alice:test")
_ADDRESS = Address("email", "alice@example.org")
_BIND, _UNBIND = (f"https://id.test/_matrix/identity/v2/3pid/{what}" for what in ("bind", "unbind"))


def sign(method: str, uri: str, destination: ServerName, content: JsonValue) -> str:
    return f"signed {method} {uri} to {destination} about {content['mxid']}"


class IdentityServerTestCase(SynchronousTestCase):
    def servers(self, answers: Mapping[str, tuple[int, JsonValue]]) -> IdentityServers:
        self.outbound = PlayedOutbound(answers)
        return IdentityServers(self.outbound, sign)

    def outcome(self, work: Any) -> Any:
        """What comes of it, be it an error."""
        outcomes: list[Any] = []
        Deferred.fromCoroutine(work).addBoth(
            lambda outcome: outcomes.append(getattr(outcome, "value", outcome))
        )
        return outcomes[0]


class BindTests(IdentityServerTestCase):
    def bind(self, status: int, answer: JsonValue) -> Any:
        servers = self.servers({_BIND: (status, answer)})
        return self.outcome(servers.bind("id.test", "token", _ALICE, "sid", "secret"))

    def test_what_is_sent(self) -> None:
        self.assertEqual(self.bind(200, {"medium": "email", "address": "Alice@example.org"}), _ADDRESS)
        ((method, url, headers, body),) = self.outbound.asked
        self.assertEqual((method, url, headers["Authorization"]), ("POST", _BIND, "Bearer token"))
        self.assertEqual(decode_json(body), {"sid": "sid", "client_secret": "secret", "mxid": _ALICE})

    def test_refusals_are_passed_on(self) -> None:
        refusal = self.bind(400, {"errcode": "M_SESSION_NOT_VALIDATED", "error": "Not yet"})
        assert isinstance(refusal, IdentityServerRefusal)
        self.assertEqual(refusal.status, 400)
        self.assertEqual(refusal.body(), {"errcode": "M_SESSION_NOT_VALIDATED", "error": "Not yet"})

    def test_its_own_tokens_and_troubles_are_not_the_clients(self) -> None:
        for status in (401, 500, 503):
            refusal = self.bind(status, {"errcode": "M_UNKNOWN_TOKEN", "error": "No"})
            assert isinstance(refusal, RemoteFailed), refusal

    def test_nonsense(self) -> None:
        for status, answer in ((200, b"<html>"), (200, {"medium": "email"}), (404, b"gone"), (400, [])):
            self.assertIsInstance(self.bind(status, answer), RemoteFailed)

    def test_nobody_there(self) -> None:
        servers = self.servers({})
        outcome = self.outcome(servers.bind("id.test", "t", _ALICE, "s", "c"))
        self.assertIsInstance(outcome, RemoteFailed)

    def test_what_is_no_server(self) -> None:
        servers = self.servers({})
        for name in ("", "a b", "id.test/path", "user@id.test"):
            self.assertIsInstance(self.outcome(servers.bind(name, "t", _ALICE, "s", "c")), InvalidParam)
        self.assertEqual(self.outbound.asked, [])


class UnbindTests(IdentityServerTestCase):
    def test_it_is_signed(self) -> None:
        servers = self.servers({_UNBIND: (200, {})})
        self.assertIs(self.outcome(servers.unbind("id.test", _ALICE, _ADDRESS)), True)
        ((_, _, headers, body),) = self.outbound.asked
        uri = "/_matrix/identity/v2/3pid/unbind"
        self.assertEqual(headers["Authorization"], f"signed POST {uri} to id.test about {_ALICE}")
        self.assertEqual(decode_json(body), {"mxid": _ALICE, "threepid": _ADDRESS._asdict()})

    def test_servers_that_do_not(self) -> None:
        refusals: tuple[dict[str, Any], ...] = ({}, {_UNBIND: (404, {})}, {_UNBIND: (501, b"")})
        for answers in refusals:
            self.assertIs(self.outcome(self.servers(answers).unbind("id.test", _ALICE, _ADDRESS)), False)
