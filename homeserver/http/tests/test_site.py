"""Bytes in, bytes out, over a connection in memory."""

import gzip
from typing import NamedTuple

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from homeserver.http.dispatch import Incoming, Rendered
from homeserver.http.site import LARGEST_BODY, Site

JSON = ((b"Content-Type", b"application/json"),)


class Answerer:
    """Answers with method, path and body, or with `body`; paths with "slow" when told to."""

    def __init__(self) -> None:
        self.seen: list[Incoming] = []
        self.body: bytes | None = None
        self.slow: list[Deferred[None]] = []
        self.cancelled: list[str] = []

    async def answer(self, incoming: Incoming) -> Rendered:
        self.seen.append(incoming)
        if "slow" in incoming.path:
            wait: Deferred[None] = Deferred()
            self.slow.append(wait)
            try:
                await wait
            except CancelledError:
                self.cancelled.append(incoming.path)
                return Rendered(499, b"")
        if "broken" in incoming.path:
            raise ValueError("no dispatcher does this")
        said = f"{incoming.method} {incoming.path} ".encode() + incoming.read_body()
        return Rendered(200, said if self.body is None else self.body, JSON)


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """The client's end."""

    def __init__(self, site: Site) -> None:
        self.transport = StringTransport(peerAddress=IPv4Address("TCP", "192.0.2.7", 4000))
        self.channel = site.buildProtocol(None)
        self.channel.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        self.channel.dataReceived(data)

    def request(self, method: str, target: str, body: bytes = b"", /, **headers: str) -> None:
        all_headers = {"Host": "test", "Content-Length": str(len(body)), **headers}
        lines = [
            f"{method} {target} HTTP/1.1",
            *(f"{n.replace('_', '-')}: {v}" for n, v in all_headers.items()),
        ]
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def responses(self, *, to_head: bool = False) -> list[Response]:
        """All that came since the last time."""
        data, found = self.transport.value(), []
        self.transport.clear()
        while data:
            head, _, data = data.partition(b"\r\n\r\n")
            status_line, *lines = head.decode().split("\r\n")
            headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
            length = 0 if to_head else int(headers.get("content-length", "0"))
            found.append(Response(int(status_line.split()[1]), headers, data[:length]))
            data = data[length:]
        return found

    def response(self) -> Response:
        (one,) = self.responses()
        return one

    def hang_up(self) -> None:
        self.channel.connectionLost(Failure(ConnectionDone()))


class SiteTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.answerer = Answerer()
        self.site, self.connection = self.served()

    def served(self, *, compress: bool = True, x_forwarded: bool = False) -> tuple[Site, Connection]:
        site = Site(self.answerer, self.reactor, compress=compress, x_forwarded=x_forwarded)
        return site, Connection(site)


class RequestTests(SiteTestCase):
    def test_all_of_it_arrives(self) -> None:
        self.connection.request(
            "PUT", "/a%2Fb/c?x=1&x=%C3%A9&y=", b"{}", User_Agent="me", Authorization="Bearer t"
        )
        (seen,) = self.answerer.seen
        self.assertEqual((seen.method, seen.path), ("PUT", "/a%2Fb/c"))
        self.assertEqual(seen.query, {b"x": [b"1", "é".encode()], b"y": [b""]})
        self.assertEqual((seen.user_agent, seen.authorization, seen.body_length), ("me", "Bearer t", 2))
        self.assertEqual(seen.address, "192.0.2.7")
        self.assertEqual(self.connection.response().body, b"PUT /a%2Fb/c {}")

    def test_byte_by_byte(self) -> None:
        for byte in b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc":
            self.connection.send(bytes([byte]))
        self.assertEqual(self.connection.response().body, b"PUT /a abc")

    def test_chunked(self) -> None:
        self.connection.send(b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.connection.send(b"3\r\nabc\r\n2\r\nde\r\n")
        self.assertEqual(self.answerer.seen, [])
        self.connection.send(b"0\r\n\r\n")
        self.assertEqual(self.connection.response().body, b"PUT /a abcde")
        self.assertEqual(self.answerer.seen[0].body_length, 5)

    def test_one_after_the_other_on_a_connection(self) -> None:
        for path in ("/1", "/2"):
            self.connection.request("GET", path)
            self.assertEqual(self.connection.response().body, f"GET {path} ".encode())

    def test_pipelined_answers_keep_the_order(self) -> None:
        for path in ("/slow", "/2", "/3"):
            self.connection.request("GET", path)
        self.assertEqual(self.connection.responses(), [])
        self.answerer.slow.pop().callback(None)
        bodies = [response.body for response in self.connection.responses()]
        self.assertEqual(bodies, [b"GET /slow ", b"GET /2 ", b"GET /3 "])

    def test_what_is_no_http(self) -> None:
        self.connection.send(b"\x16\x03\x01 nonsense\r\n\r\n")
        self.assertEqual(self.answerer.seen, [])
        self.assertTrue(self.connection.transport.disconnecting)

    def test_too_large_bodies(self) -> None:
        part = b"x" * (1024 * 1024)
        self.connection.send(
            f"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGEST_BODY + 1}\r\n\r\n".encode()
        )
        for _ in range(LARGEST_BODY // len(part)):
            self.connection.send(part)
        self.connection.send(b"x")
        response = self.connection.response()
        self.assertEqual(response.status, 413)
        self.assertIn(b"M_TOO_LARGE", response.body)
        self.assertEqual(self.answerer.seen, [])
        self.connection.request("GET", "/next")
        self.assertEqual(self.connection.response().status, 200)

    def test_idle_connections_are_closed_and_waiting_ones_are_not(self) -> None:
        self.connection.request("GET", "/slow")
        self.reactor.advance(3_600)
        self.assertFalse(self.connection.transport.disconnecting)
        self.answerer.slow.pop().callback(None)
        self.reactor.advance(60)
        self.assertFalse(self.connection.transport.disconnecting)
        self.reactor.advance(60)
        self.assertTrue(self.connection.transport.disconnecting)


class AddressTests(SiteTestCase):
    FORWARDED = "203.0.113.9, 198.51.100.2,  192.0.2.50 "

    def address(self, connection: Connection, **headers: str) -> str:
        connection.request("GET", "/", **headers)
        return self.answerer.seen[-1].address

    def test_the_header_of_a_stranger_is_not_believed(self) -> None:
        self.assertEqual(self.address(self.connection, X_Forwarded_For=self.FORWARDED), "192.0.2.7")

    def test_behind_a_proxy_its_own_entry_counts(self) -> None:
        _, connection = self.served(x_forwarded=True)
        self.assertEqual(self.address(connection, X_Forwarded_For=self.FORWARDED), "192.0.2.50")
        self.assertEqual(self.address(connection, X_Forwarded_For="2001:db8::1"), "2001:db8::1")

    def test_behind_a_proxy_that_says_nothing(self) -> None:
        _, connection = self.served(x_forwarded=True)
        self.assertEqual(self.address(connection), "192.0.2.7")

    def test_a_header_of_the_client_before_that_of_the_proxy(self) -> None:
        _, connection = self.served(x_forwarded=True)
        connection.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 192.0.2.50\r\n\r\n"
        )
        self.assertEqual(self.answerer.seen[-1].address, "192.0.2.50")


class AnswerTests(SiteTestCase):
    def test_browsers_may_ask(self) -> None:
        """https://spec.matrix.org/v1.19/client-server-api/#web-browser-clients"""
        for method in ("GET", "OPTIONS"):
            self.connection.request(method, "/a", Origin="https://app.example")
            headers = self.connection.response().headers
            self.assertEqual(headers["access-control-allow-origin"], "*")
            for wanted in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
                self.assertIn(wanted, headers["access-control-allow-methods"])
            for wanted in ("X-Requested-With", "Content-Type", "Authorization"):
                self.assertIn(wanted, headers["access-control-allow-headers"])

    def test_options_never_reach_an_endpoint(self) -> None:
        self.connection.request("OPTIONS", "/a")
        response = self.connection.response()
        self.assertEqual((response.status, response.body, self.answerer.seen), (204, b"", []))
        # https://www.rfc-editor.org/rfc/rfc9110#section-8.6-8
        self.assertNotIn("content-length", response.headers)

    def test_head_has_the_headers_of_get_and_no_body(self) -> None:
        self.answerer.body = b"x" * 100
        self.connection.request("HEAD", "/a")
        self.connection.request("GET", "/a")
        data = self.connection.transport.value()
        self.assertEqual(data.count(b"Content-Length: 100\r\n"), 2)
        self.assertEqual(data.count(b"x" * 100), 1)

    def test_answers_say_what_they_are(self) -> None:
        self.connection.request("GET", "/a")
        headers = self.connection.response().headers
        self.assertEqual(headers["content-type"], "application/json")
        self.assertEqual(headers["content-length"], str(len(b"GET /a ")))

    def test_a_failing_dispatcher_is_logged(self) -> None:
        with self.assertLogs("homeserver.http.site", "ERROR"):
            self.connection.request("GET", "/broken")


class CompressionTests(SiteTestCase):
    LARGE = b"large " * 1000

    def got(self, connection: Connection, accepted: str | None, body: bytes = LARGE) -> Response:
        self.answerer.body = body
        headers = {} if accepted is None else {"Accept_Encoding": accepted}
        connection.request("GET", "/a", **headers)
        return connection.response()

    def test_large_answers_to_those_who_take_it(self) -> None:
        for accepted in ("gzip", "br, gzip;q=0.5", "deflate, GZip;q=0.01"):
            response = self.got(self.connection, accepted)
            self.assertEqual((accepted, response.headers.get("content-encoding")), (accepted, "gzip"))
            self.assertLess(len(response.body), len(self.LARGE))
            self.assertEqual(gzip.decompress(response.body), self.LARGE)

    def test_not_for_others(self) -> None:
        for accepted in (None, "", "br", "identity", "gzip;q=0", "gzip; q=0.000, br", "*;q=0", "x-gzippy"):
            response = self.got(self.connection, accepted)
            self.assertEqual((accepted, response.headers.get("content-encoding")), (accepted, None))
            self.assertEqual(response.body, self.LARGE)

    def test_caches_are_told_that_it_depends(self) -> None:
        for accepted in (None, "gzip"):
            self.assertEqual(self.got(self.connection, accepted).headers.get("vary"), "Accept-Encoding")

    def test_not_for_small_answers(self) -> None:
        self.assertNotIn("content-encoding", self.got(self.connection, "gzip", b"x" * 1000).headers)

    def test_not_where_the_listener_does_not(self) -> None:
        _, connection = self.served(compress=False)
        self.assertNotIn("content-encoding", self.got(connection, "gzip").headers)


class GoneTests(SiteTestCase):
    def test_a_client_that_hangs_up_ends_its_request(self) -> None:
        self.connection.request("GET", "/slow/1")
        self.connection.hang_up()
        self.assertEqual(self.answerer.cancelled, ["/slow/1"])
        self.assertEqual(self.connection.transport.value(), b"")
        self.assertEqual((self.site.running, self.site.connections), (set(), set()))

    def test_others_go_on(self) -> None:
        other = Connection(self.site)
        for connection in (self.connection, other):
            connection.request("GET", "/slow")
        self.connection.hang_up()
        self.answerer.slow[1].callback(None)
        self.assertEqual(other.response().status, 200)

    def test_an_answer_after_the_client_has_gone_is_dropped(self) -> None:
        self.connection.request("GET", "/slow")
        self.answerer.slow[0].addErrback(lambda _: None)
        self.connection.hang_up()
        self.assertEqual(self.connection.transport.value(), b"")

    def test_hanging_up_between_requests(self) -> None:
        self.connection.request("GET", "/a")
        self.connection.hang_up()
        self.assertEqual(self.answerer.cancelled, [])
        self.assertEqual(self.site.connections, set())

    def test_drained_when_the_last_answer_is_out(self) -> None:
        self.successResultOf(self.site.when_drained())
        self.connection.request("GET", "/slow")
        drained = self.site.when_drained()
        self.assertNoResult(drained)
        self.answerer.slow[0].callback(None)
        self.successResultOf(drained)

    def test_drained_when_the_last_client_has_gone(self) -> None:
        self.connection.request("GET", "/slow")
        drained = self.site.when_drained()
        self.connection.hang_up()
        self.successResultOf(drained)

    def test_answers_while_draining_are_the_last_of_their_connections(self) -> None:
        other = Connection(self.site)
        self.connection.request("GET", "/slow")
        drained = self.site.when_drained()
        other.request("GET", "/a")
        other.request("GET", "/b")
        (last,) = other.responses()
        self.assertEqual((last.body, last.headers["connection"]), (b"GET /a ", "close"))
        self.assertTrue(other.transport.disconnecting)
        self.answerer.slow[0].callback(None)
        self.assertEqual(self.connection.response().headers["connection"], "close")
        self.successResultOf(drained)

    def test_closed_when_the_last_connection_is(self) -> None:
        closed = self.site.when_closed()
        self.assertTrue(self.connection.transport.disconnecting)
        self.assertNoResult(closed)
        self.connection.hang_up()
        self.successResultOf(closed)
