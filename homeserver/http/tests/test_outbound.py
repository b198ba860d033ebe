"""Requests to real servers on the loopback interface: decent ones, and such as nobody would like to meet."""

import gzip
from collections.abc import Callable, Coroutine, Mapping
from ipaddress import ip_network
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from prometheus_client import REGISTRY
from twisted.internet import reactor as _reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from config.outbound import PRIVATE_RANGES
from homeserver.http.outbound import (
    AnswerTooLarge,
    Bounds,
    ForbiddenAddress,
    Outbound,
    RequestFailed,
    Response,
    TookTooLong,
)
from homeserver.http.outbound_addresses import AddressRules
from homeserver.http.outbound_peers import Peer
from homeserver.http.outbound_tls import AuthorityError, Trust
from homeserver.http.tests.certificates import write_certificate
from homeserver.http.tls import RenewableCertificate

reactor: Any = _reactor

NOBODY = AddressRules((ip_network("0.0.0.0/0"),), (ip_network("127.0.0.2/32"),))


class Script(Protocol):
    """Answers each request by the factory's script: bytes to send at once, or what to do with the connection."""

    factory: Any
    transport: Any
    _received = b""

    def connectionMade(self) -> None:
        self.factory.connections.append(self)

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if b"\r\n\r\n" in self._received:
            self.factory.requests.append(self._received)
            self._received = b""
            self.factory.answer(self)

    def connectionLost(self, reason: object = None) -> None:
        self.factory.connections.remove(self)
        if not self.factory.connections:
            gone, self.factory.gone = self.factory.gone, Deferred()
            gone.callback(None)


class Server(Factory):
    protocol = Script

    def __init__(self, answer: Callable[[Any], object]) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.connections: list[Script] = []
        self.gone: Deferred[None] = Deferred()
        self.port = 0


def says(body: bytes, *headers: str, status: str = "200 OK") -> Callable[[Script], None]:
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return lambda connection: connection.transport.write(head.encode() + b"\r\n" + body)


@implementer(IHostnameResolver)
class Names:
    """Gives the next address of its list each time it is asked, whatever the name."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)

    def resolveHostName(self, receiver: Any, name: str, portNumber: int = 0, *_: object, **__: object) -> Any:
        receiver.resolutionBegan(None)
        receiver.addressResolved(IPv4Address("TCP", self.addresses.pop(0), portNumber))
        receiver.resolutionComplete()
        return None


def _counted(status: str) -> float:
    labels = {"purpose": "test", "status": status}
    return REGISTRY.get_sample_value("folkmoot_outbound_seconds_count", labels) or 0


class OutboundTestCase(TestCase):
    def setUp(self) -> None:
        self.directory = Path(mkdtemp(prefix="folkmoot-test-"))
        self.addCleanup(rmtree, self.directory)
        self.outbound = self.make_outbound()

    def make_outbound(self, rules: AddressRules | None = None, *authorities: Path, **trust: Any) -> Outbound:
        outbound = Outbound(reactor, rules, Trust(authorities, **trust), "(test)")
        self.addCleanup(lambda: Deferred.fromCoroutine(outbound.close()))
        return outbound

    def serve(self, answer: Callable[[Any], object], tls_name: str | None = None) -> Server:
        server = Server(answer)
        if tls_name is None:
            port = reactor.listenTCP(0, server, interface="127.0.0.1")
        else:
            files = write_certificate(self.directory, tls_name)
            assert files.certificate_path is not None
            assert files.private_key_path is not None
            certificate = RenewableCertificate(files.certificate_path, files.private_key_path)
            port = reactor.listenSSL(0, server, certificate, interface="127.0.0.1")
        server.port = port.getHost().port
        self.addCleanup(self._end, port, server)
        return server

    async def get(self, server: Server, path: str = "/", **options: Any) -> Response:
        return await self.outbound.request(
            "GET", f"http://127.0.0.1:{server.port}{path}", purpose="test", **options
        )

    def _end(self, port: Any, server: Server) -> Any:
        for connection in list(server.connections):
            connection.transport.abortConnection()
        return port.stopListening()

    def name_is(self, *addresses: str) -> None:
        before = reactor.installNameResolver(Names(*addresses))
        self.addCleanup(reactor.installNameResolver, before)

    async def raises(self, kind: type[Exception], work: Coroutine[Any, Any, object], text: str = "") -> None:
        with self.assertRaises(kind) as raised:
            await work
        self.assertIs(type(raised.exception), kind)
        self.assertIn(text, str(raised.exception))


class DecentServerTests(OutboundTestCase):
    async def test_an_answer(self) -> None:
        server = self.serve(says(b'{"a": 1}', "X-Thing: 5", status="404 Not Found"))
        answer = await self.get(server, "/p?q=%2F")
        self.assertEqual((answer.status, answer.headers["x-thing"], answer.json()), (404, "5", {"a": 1}))
        head, _, _ = server.requests[0].partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"GET /p?q=%2F HTTP/1.1\r\n"))
        self.assertRegex(head, rb"User-Agent: Folkmoot/\S+ \(test\)")
        self.assertIn(f"Host: 127.0.0.1:{server.port}".encode(), head)

    async def test_json_is_posted(self) -> None:
        server = self.serve(says(b"{}"))
        url = f"http://127.0.0.1:{server.port}/x"
        await self.outbound.post_json(url, {"b": "ü"}, purpose="test", headers={"Authorization": "Bearer t"})
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        self.assertEqual(body, '{"b":"ü"}'.encode())
        self.assertIn(b"Content-Type: application/json", head)
        self.assertIn(b"Authorization: Bearer t", head)
        await self.outbound.get_json(url, purpose="test")
        self.assertIn(b"Accept: application/json", server.requests[1])

    async def test_brief_answers(self) -> None:
        server = self.serve(says(b"{}"))
        url = f"http://127.0.0.1:{server.port}/x"
        for _ in range(2):
            response = await self.outbound.post_json(url, {"b": "ü"}, purpose="test", is_brief=True)
            self.assertEqual(response.json(), {})
        for request in server.requests:
            head, _, body = request.partition(b"\r\n\r\n")
            self.assertEqual(body, '{"b":"ü"}'.encode())
            self.assertNotIn(b"Accept-Encoding", head)

    async def test_what_is_not_json(self) -> None:
        answer = await self.get(self.serve(says(b"<html>")))
        self.assertRaises(RequestFailed, answer.json)

    async def test_connections_are_used_again(self) -> None:
        server = self.serve(says(b"x"))
        for _ in range(3):
            await self.get(server)
        self.assertEqual((len(server.requests), len(server.connections)), (3, 1))

    async def test_they_are_measured(self) -> None:
        before = _counted("404")
        await self.get(self.serve(says(b"", status="404 Not Found")))
        self.assertEqual(_counted("404"), before + 1)

    async def test_cookies_are_not_kept(self) -> None:
        server = self.serve(says(b"x", "Set-Cookie: a=b"))
        for _ in range(2):
            await self.get(server)
        self.assertNotIn(b"cookie", server.requests[1].lower())

    async def test_compressed(self) -> None:
        server = self.serve(says(gzip.compress(b"y" * 1000), "Content-Encoding: gzip"))
        self.assertEqual((await self.get(server)).body, b"y" * 1000)

    async def test_without_a_length_the_body_ends_with_the_connection(self) -> None:
        def answer(connection: Script) -> None:
            connection.transport.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
            connection.transport.loseConnection()

        self.assertEqual((await self.get(self.serve(answer))).body, b"hello")

    async def test_into(self) -> None:
        pieces: list[bytes] = []
        answer = await self.get(self.serve(says(b"abc")), into=pieces.append)
        self.assertEqual((b"".join(pieces), answer.body), (b"abc", b""))
        refused = await self.get(self.serve(says(b"{}", status="403 No")), into=pieces.append)
        self.assertEqual((len(pieces), refused.body), (1, b"{}"))


class HostileServerTests(OutboundTestCase):
    """Each also sees its connection closed: `gone`."""

    options: Mapping[str, Any] = {"method": "GET"}

    async def fails(
        self, answer: Callable[[Any], object], kind: type[Exception], text: str, **o: Any
    ) -> None:
        for tls_name in (None, "127.0.0.1"):
            server = self.serve(answer, tls_name)
            gone = server.gone
            if tls_name is not None:
                self.outbound = self.make_outbound(None, self.directory / "tls.crt")
            scheme = "http" if tls_name is None else "https"
            url = f"{scheme}://127.0.0.1:{server.port}/"
            await self.raises(kind, self.outbound.request(url=url, purpose="test", **self.options, **o), text)
            await gone.addTimeout(5, reactor)

    async def test_an_endless_body(self) -> None:
        def answer(connection: Script) -> None:
            connection.transport.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000)

        await self.fails(answer, AnswerTooLarge, "more than 1000 bytes", bounds=Bounds(body=1000))

    async def test_an_announced_flood(self) -> None:
        def answer(connection: Script) -> None:
            connection.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")

        await self.fails(answer, AnswerTooLarge, "has 1001 bytes", bounds=Bounds(body=1000))

    async def test_a_small_body_that_unfolds(self) -> None:
        bomb = says(gzip.compress(b"0" * 100_000), "Content-Encoding: gzip")
        await self.fails(bomb, AnswerTooLarge, "", bounds=Bounds(body=10_000))

    async def test_a_slow_body(self) -> None:
        def answer(connection: Script) -> None:
            connection.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")

        await self.fails(answer, TookTooLong, "took longer than 0.2 s", bounds=Bounds(seconds=0.2))

    async def test_silence(self) -> None:
        await self.fails(lambda _: None, TookTooLong, "took longer", bounds=Bounds(seconds=0.2))

    async def test_what_is_not_http(self) -> None:
        await self.fails(lambda c: c.transport.write(b"SSH-2.0\r\n\r\n"), RequestFailed, "cannot be")

    async def test_hanging_up(self) -> None:
        def answer(connection: Script) -> None:
            connection.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")
            connection.transport.loseConnection()

        await self.fails(answer, RequestFailed, "ended too early")

    async def test_a_sink_that_fails(self) -> None:
        def write(_: bytes) -> None:
            raise OSError("disk full")

        await self.fails(says(b"x"), OSError, "disk full", into=write)

    async def test_no_server(self) -> None:
        server = self.serve(says(b""))
        await self.raises(
            RequestFailed,
            self.outbound.request(url="http://127.0.0.1:1/", purpose="test", **self.options),
            "127.0.0.1:1",
        )
        for url in ("ftp://127.0.0.1/", f"//127.0.0.1:{server.port}", "http://ü/", "x", "http://[::1"):
            await self.raises(RequestFailed, self.outbound.request(url=url, purpose="test", **self.options))


class RedirectTests(OutboundTestCase):
    def redirecting(self, target: str) -> Server:
        return self.serve(says(b"", f"Location: {target}", status="302 Found"))

    async def test_they_are_not_followed_unless_asked(self) -> None:
        answer = await self.get(self.redirecting("/there"))
        self.assertEqual((answer.status, answer.headers["location"]), (302, "/there"))

    async def test_asked(self) -> None:
        target = self.serve(says(b"here"))
        server = self.redirecting(f"http://127.0.0.1:{target.port}/x")
        secret = {"Authorization": "secret", "Accept": "text/plain"}
        answer = await self.get(server, bounds=Bounds(redirects=1), headers=secret)
        self.assertEqual(answer.body, b"here")
        self.assertIn(b"secret", server.requests[0])
        self.assertNotIn(b"secret", target.requests[0])
        self.assertIn(b"text/plain", target.requests[0])

    async def test_loops_end(self) -> None:
        server = self.redirecting("/again")
        self.assertEqual((await self.get(server, bounds=Bounds(redirects=4))).status, 302)
        self.assertEqual(len(server.requests), 5)

    async def test_to_a_forbidden_address(self) -> None:
        self.name_is("127.0.0.1", "127.0.0.1")
        server = self.redirecting("http://10.0.0.1/")
        self.outbound = self.make_outbound(AddressRules(PRIVATE_RANGES, (ip_network("127.0.0.1/32"),)))
        await self.raises(ForbiddenAddress, self.get(server, bounds=Bounds(redirects=3)), "10.0.0.1")

    async def test_to_nowhere(self) -> None:
        for target in ("http://[::1", "ftp://127.0.0.1/", "http://a b/", "//[x]/"):
            work = self.get(self.redirecting(target), bounds=Bounds(redirects=1))
            await self.raises(RequestFailed, work)

    async def test_away_from_tls(self) -> None:
        server = self.serve(says(b"", "Location: http://127.0.0.1/", status="301 Moved"), "127.0.0.1")
        outbound = self.make_outbound(None, self.directory / "tls.crt")
        asked = outbound.request(
            "GET", f"https://127.0.0.1:{server.port}/", purpose="test", bounds=Bounds(redirects=1)
        )
        await self.raises(RequestFailed, asked, "redirects")


class AddressTests(OutboundTestCase):
    async def test_forbidden_addresses(self) -> None:
        server = self.serve(says(b"x"))
        self.outbound = self.make_outbound(NOBODY)
        await self.raises(ForbiddenAddress, self.get(server), "127.0.0.1")
        self.assertEqual(server.connections, [])

    async def test_names_that_change_their_address(self) -> None:
        """An address counts when a connection is made to it, not when somebody asked for it before."""
        server = self.serve(says(b"", "Connection: close"))
        self.name_is("127.0.0.1", "10.0.0.1")
        self.outbound = self.make_outbound(AddressRules(PRIVATE_RANGES, (ip_network("127.0.0.0/8"),)))
        url = f"http://rebinding.example:{server.port}/"
        self.assertEqual((await self.outbound.request("GET", url, purpose="test")).status, 200)
        await self.raises(ForbiddenAddress, self.outbound.request("GET", url, purpose="test"), "10.0.0.1")

    async def test_places_are_tried_in_order(self) -> None:
        server = self.serve(says(b"x"))
        peer = Peer((("127.0.0.1", 1), ("127.0.0.1", server.port)), None)
        answer = await self.outbound.request("GET", "http://matrix.example/", purpose="test", peer=peer)
        self.assertEqual(answer.body, b"x")
        self.assertIn(b"Host: matrix.example\r\n", server.requests[0])


class TlsTests(OutboundTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.name_is(*["127.0.0.1"] * 5)

    def peer(self, server: Server, name: str) -> Peer:
        return Peer((("127.0.0.1", server.port),), name)

    def asked(self, outbound: Outbound, server: Server, name: str) -> Coroutine[Any, Any, Response]:
        return outbound.request("GET", f"https://{name}/", purpose="test", peer=self.peer(server, name))

    async def test_the_right_name(self) -> None:
        server = self.serve(says(b"x"), "matrix.example")
        outbound = self.make_outbound(None, self.directory / "tls.crt")
        self.assertEqual((await self.asked(outbound, server, "matrix.example")).body, b"x")

    async def test_another_name(self) -> None:
        server = self.serve(says(b"x"), "evil.example")
        outbound = self.make_outbound(None, self.directory / "tls.crt")
        await self.raises(RequestFailed, self.asked(outbound, server, "matrix.example"))
        self.assertEqual(server.requests, [])

    async def test_nobody_vouches(self) -> None:
        server = self.serve(says(b"x"), "matrix.example")
        await self.raises(RequestFailed, self.asked(self.outbound, server, "matrix.example"), "certificate")
        self.assertEqual(server.requests, [])

    async def test_whom_the_operator_trusts_blindly(self) -> None:
        server = self.serve(says(b"x"), "evil.example")
        outbound = self.make_outbound(None, unverified=lambda name: name == "matrix.example")
        self.assertEqual((await self.asked(outbound, server, "matrix.example")).body, b"x")
        await self.raises(RequestFailed, self.asked(outbound, server, "other.example"))

    def test_authorities_that_are_none(self) -> None:
        self.assertRaises(AuthorityError, Trust, [self.directory / "absent.pem"])
        empty = self.directory / "empty.pem"
        empty.write_text("nothing")
        self.assertRaises(AuthorityError, Trust, [empty])
