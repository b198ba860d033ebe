"""How requests are addressed, signed and repeated, and what failures lead to."""

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import msgspec
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from config.federation import Federation
from federation.tests.web import OWN, REMOTE, Web
from federation.transport import Call, path_of
from federation.x_matrix import parse_authorization, request_json
from homeserver.http.outbound import AnswerTooLarge, HungUp, RequestFailed, Response
from homeserver.protocol.errors import (
    Forbidden,
    LimitExceeded,
    NotFound,
    RemoteFailed,
    RemoteUnreachable,
    TooLarge,
)
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonValue
from homeserver.protocol.signing import verify_json

T = TypeVar("T")
GET = Call(method="GET", path="/_matrix/federation/v1/x")


class Thing(msgspec.Struct):
    name: str


class TransportTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = Web()
        self.web.says({})

    def result_of(self, work: Coroutine[Any, Any, T]) -> T:
        return self.successResultOf(Deferred.fromCoroutine(work))

    def send(self, call: Call = GET, to: ServerName = REMOTE) -> Response:
        return self.result_of(self.web.transport.send(to, call))

    def fails(self, kind: type[Exception], call: Call = GET, to: ServerName = REMOTE) -> str:
        failure = self.failureResultOf(Deferred.fromCoroutine(self.web.transport.send(to, call)))
        self.assertIs(failure.type, kind)
        return str(failure.value)


class AddressTests(TransportTestCase):
    def test_parameters_are_encoded(self) -> None:
        path = path_of("/_matrix/federation/v1/state/{}", "!a/b:c.example:80")
        query = {"event_id": "$a+b/c", "none": None, "many": ["x y", "z"], "yes": True, "limit": 5}
        self.send(Call(method="GET", path=path, query=query))
        (sent,) = self.web.sent
        self.assertEqual(
            sent.url,
            "https://host.remote.example/_matrix/federation/v1/state/%21a%2Fb%3Ac.example%3A80"
            "?event_id=%24a%2Bb%2Fc&many=x%20y&many=z&yes=true&limit=5",
        )
        self.assertEqual(sent.headers["Host"], "host.remote.example")

    def test_this_server_itself(self) -> None:
        self.fails(ValueError, to=OWN.server_name)

    def test_whom_the_operator_shuts_out(self) -> None:
        self.web = Web(Federation(domain_blocklist=("remote.example",)))
        self.fails(Forbidden)
        self.assertEqual(self.web.sent, [])


class SignatureTests(TransportTestCase):
    def check(self, call: Call) -> None:
        self.send(call)
        sent = self.web.sent[-1]
        seal = parse_authorization(sent.headers["Authorization"])
        self.assertEqual((seal.origin, seal.destination), (OWN.server_name, REMOTE))
        signed = request_json(sent.method, sent.uri, seal.origin, seal.destination, sent.content)
        signed["signatures"] = {seal.origin: {seal.key_id: seal.signature}}
        verify_json(signed, OWN.server_name, OWN.key.key_id, OWN.key.public_key)

    def test_what_others_will_check(self) -> None:
        self.check(GET)
        self.check(Call(method="GET", path=GET.path, query={"a": "ü/ +"}))
        self.check(Call(method="PUT", path=GET.path, content={"a": ["ü", 1.5]}))
        self.check(Call(method="POST", path=GET.path, content={}))

    def test_what_anybody_may_ask(self) -> None:
        self.send(Call(method="GET", path=GET.path, signed=False))
        self.assertNotIn("Authorization", self.web.sent[0].headers)


class FailureTests(TransportTestCase):
    def test_a_server_that_cannot_be_reached(self) -> None:
        self.web.answers = [RequestFailed("down")]
        self.assertIn("down", self.fails(RemoteUnreachable))
        self.assertIn("not asked again yet", self.fails(RemoteUnreachable))
        self.assertEqual(len(self.web.sent), 1)
        self.web.reactor.advance(60)
        self.web.says({})
        self.send()

    def test_a_server_that_cannot_be_found(self) -> None:
        lost = ServerName("lost.example")
        self.assertIn("no such", self.fails(RemoteFailed, to=lost))
        self.assertIn("not asked again yet", self.fails(RemoteUnreachable, to=lost))

    def test_what_cannot_wait(self) -> None:
        self.web.answers = [RequestFailed("down")]
        self.fails(RemoteUnreachable)
        self.web.says({})
        self.send(Call(method="GET", path=GET.path, only_if_alive=False))
        self.send()

    def test_faults_of_the_server_count(self) -> None:
        self.web.says({}, 500)
        self.fails(RemoteFailed)
        self.assertGreater(self.web.backoff.seconds_left(REMOTE), 0)

    def test_refusals_do_not_count(self) -> None:
        refusals = ((404, "M_NOT_FOUND", NotFound), (429, "M_LIMIT_EXCEEDED", LimitExceeded))
        for status, errcode, kind in refusals:
            self.web.says({"errcode": errcode}, status)
            self.fails(kind)
        self.web.says({"errcode": "M_UNAUTHORIZED"}, 401)
        self.fails(RemoteFailed)
        self.assertEqual(self.web.backoff.seconds_left(REMOTE), 0)

    def test_too_much(self) -> None:
        self.web.answers = [AnswerTooLarge("too much")]
        self.fails(TooLarge)
        self.assertEqual(self.web.backoff.seconds_left(REMOTE), 0)

    def test_an_old_connection(self) -> None:
        """A transaction may be sent twice, for it counts once; other things may not."""
        self.web.answers = [HungUp("gone"), Response(200)]
        self.send(Call(method="PUT", path=GET.path, content={}))
        self.assertEqual(len(self.web.sent), 2)
        self.web.answers = [HungUp("gone"), Response(200)]
        self.fails(RemoteUnreachable, Call(method="POST", path=GET.path, content={}))
        self.assertEqual(len(self.web.sent), 3)

    def test_answers_of_another_shape(self) -> None:
        self.web.says({"name": "x"})
        self.assertEqual(self.result_of(self.web.transport.ask(REMOTE, GET, Thing)), Thing("x"))
        useless: Sequence[JsonValue] = ({}, {"name": 5}, [], None)
        for answer in useless:
            self.web.says(answer)
            work = Deferred.fromCoroutine(self.web.transport.ask(REMOTE, GET, Thing))
            self.failureResultOf(work, RemoteFailed)
        self.web.answers = [Response(200, {}, b"<html>")]
        self.failureResultOf(Deferred.fromCoroutine(self.web.transport.ask(REMOTE, GET, Thing)), RemoteFailed)
