"""Requests with short answers to real servers on the loopback interface."""

import gzip
from collections.abc import Mapping
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.trial.unittest import SynchronousTestCase

from homeserver.http.brief_connections import BriefConnections
from homeserver.http.outbound import ForbiddenAddress, HungUp, RequestFailed, Response
from homeserver.http.outbound_peers import IDLE_PER_PEER
from homeserver.http.tests import test_outbound
from homeserver.http.tests.test_outbound import NOBODY, Script, Server, says

reactor: Any = _reactor


class HostileToBriefRequestsTests(test_outbound.HostileServerTests):
    """They are read by other code, and must be as safe."""

    options: Mapping[str, Any] = {"method": "POST", "body": b"{}", "is_brief": True}

    async def test_a_small_body_that_unfolds(self) -> None:
        """Nobody has asked for that, and nobody unfolds it."""
        bomb = gzip.compress(b"0" * 100_000)
        server = self.serve(says(bomb, "Content-Encoding: gzip"))
        answer = await self.outbound.request(
            url=f"http://127.0.0.1:{server.port}/", purpose="test", **self.options
        )
        self.assertEqual(answer.body, bomb)

    async def test_a_sink_that_fails(self) -> None:
        """These need none."""

    async def test_what_nobody_asked_for(self) -> None:
        server = self.serve(says(b"{}"))
        gone = server.gone
        url = f"http://127.0.0.1:{server.port}/"
        await self.outbound.request(url=url, purpose="test", **self.options)
        server.connections[0].transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await gone.addTimeout(5, reactor)
        answer = await self.outbound.request(url=url, purpose="test", **self.options)
        self.assertEqual(answer.body, b"{}")

    async def test_two_requests_in_one(self) -> None:
        server = self.serve(says(b"{}"))
        url = f"http://127.0.0.1:{server.port}/"
        for target, headers in ((url + "? HTTP/1.1", {}), (url, {"A": "b\r\nC: d"}), (url, {"A": "ü"})):
            asked = self.outbound.request(url=target, purpose="test", headers=headers, **self.options)
            await self.raises(RequestFailed, asked, "characters that no")
        self.assertEqual(server.requests, [])


class BriefConnectionTests(test_outbound.OutboundTestCase):
    async def ask(self, server: Server, **options: Any) -> Response:
        url = f"http://user@127.0.0.1:{server.port}/x?y=%20"
        return await self.outbound.post_json(url, {}, purpose="test", is_brief=True, **options)

    async def test_they_are_used_again(self) -> None:
        server = self.serve(says(b"x"))
        for _ in range(3):
            await self.ask(server)
        self.assertEqual((len(server.requests), len(server.connections)), (3, 1))
        head = server.requests[0].decode()
        self.assertTrue(head.startswith("POST /x?y=%20 HTTP/1.1\r\n"))
        self.assertIn(f"\r\nHost: 127.0.0.1:{server.port}\r\n", head)

    async def test_another_host_than_the_url_names(self) -> None:
        server = self.serve(says(b"x"))
        await self.ask(server, headers={"Host": "matrix.example"})
        self.assertEqual(server.requests[0].lower().count(b"\r\nhost:"), 1)
        self.assertIn(b"\r\nHost: matrix.example\r\n", server.requests[0])

    async def test_no_more_than_should_be_are_kept(self) -> None:
        held: list[Script] = []
        server = self.serve(held.append)
        answers = [Deferred.fromCoroutine(self.ask(server)) for _ in range(5)]
        while len(held) < 5:
            await deferLater(reactor, 0.01)
        for connection in held:
            says(b"x")(connection)
        for answer in answers:
            await answer
        while len(server.connections) > IDLE_PER_PEER:
            await deferLater(reactor, 0.01)
        self.assertEqual(len(server.connections), IDLE_PER_PEER)

    async def test_not_after_the_server_said_so(self) -> None:
        server = self.serve(says(b"x", "Connection: close"))
        gone = server.gone
        await self.ask(server)
        await gone.addTimeout(5, reactor)

    async def test_not_after_the_server_has_closed_it(self) -> None:
        server = self.serve(says(b"x"))
        gone = server.gone
        await self.ask(server)
        server.connections[0].transport.loseConnection()
        await gone
        await deferLater(reactor, 0.01)
        self.assertEqual((await self.ask(server)).body, b"x")

    async def test_a_server_that_closes_it_instead_of_an_answer(self) -> None:
        server = self.serve(lambda connection: connection.transport.loseConnection())
        await self.raises(HungUp, self.ask(server), "hung up")

    async def test_whom_nobody_vouches_for(self) -> None:
        server = self.serve(says(b"x"), "127.0.0.1")
        asked = self.outbound.post_json(
            f"https://127.0.0.1:{server.port}/", {}, purpose="test", is_brief=True
        )
        await self.raises(RequestFailed, asked, "certificate")
        self.assertEqual(server.requests, [])

    async def test_forbidden_addresses(self) -> None:
        server = self.serve(says(b"x"))
        self.outbound = self.make_outbound(NOBODY)
        await self.raises(ForbiddenAddress, self.ask(server), "127.0.0.1")


class OldConnectionTests(SynchronousTestCase):
    """On a clock that stands still."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.made: list[StringTransportWithDisconnection] = []
        self.connections = BriefConnections(self.clock, self, IDLE_PER_PEER)

    def connect(self, factory: Any) -> Deferred[Any]:
        """As endpoints do."""
        transport = StringTransportWithDisconnection()
        protocol = transport.protocol = factory.buildProtocol(None)
        protocol.makeConnection(transport)
        self.made.append(transport)
        return succeed(protocol)

    def ask(self) -> None:
        answer = Deferred.fromCoroutine(self.connections.ask(b"", 0))
        connected = [transport for transport in self.made if transport.connected]
        protocol: Any = connected[-1].protocol
        protocol.dataReceived(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.assertEqual(self.successResultOf(answer).status, 204)

    def test_they_are_closed_after_a_while(self) -> None:
        self.ask()
        self.clock.advance(20)
        self.ask()
        self.assertEqual(len(self.made), 1)
        # It was in use five seconds before that.
        self.clock.advance(5)
        self.assertTrue(self.made[0].connected)
        self.clock.advance(25)
        self.assertFalse(self.made[0].connected)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.ask()
        self.assertEqual(len(self.made), 2)

    def test_they_are_closed_at_the_end(self) -> None:
        self.ask()
        self.successResultOf(self.connections.close())
        self.assertFalse(self.made[0].connected)
        self.assertEqual(self.clock.getDelayedCalls(), [])
