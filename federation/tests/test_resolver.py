"""SRV records from a real nameserver, which is on the loopback interface."""

from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.names import common, dns, server
from twisted.names.error import AuthoritativeDomainError
from twisted.trial.unittest import TestCase

from federation.service_records import LookupFailed, ServiceRecord, TwistedResolver

reactor: Any = _reactor
SERVICE = b"_matrix-fed._tcp.a.example"


class Zone(common.ResolverBase):
    """Knows one service; fails for names that begin with `broken`."""

    def _lookup(self, name: bytes, cls: int, type: int, timeout: Any) -> Deferred[Any]:
        if name.startswith(b"broken"):
            return fail(OSError("disk full"))
        if name != SERVICE:
            return fail(AuthoritativeDomainError(name))
        service: Any = dns.Record_SRV(10, 5, 8448, b"m.a.example")
        text: Any = dns.Record_TXT(b"hello")
        records = [
            dns.RRHeader(name, dns.SRV, dns.IN, 300, service),
            dns.RRHeader(name, dns.TXT, dns.IN, 300, text),
        ]
        return succeed((records, [], []))


class TwistedResolverTests(TestCase):
    def setUp(self) -> None:
        port = reactor.listenUDP(
            0, dns.DNSDatagramProtocol(server.DNSServerFactory(clients=[Zone()])), "127.0.0.1"
        )
        self.addCleanup(port.stopListening)
        self.resolver = TwistedResolver(reactor, [("127.0.0.1", port.getHost().port)])

    async def test_a_service(self) -> None:
        found = await self.resolver.service(SERVICE.decode())
        self.assertEqual(list(found), [ServiceRecord(10, 5, "m.a.example", 8448, 300)])

    async def test_no_such_name(self) -> None:
        self.assertEqual(list(await self.resolver.service("_matrix._tcp.b.example")), [])

    async def test_a_server_that_fails(self) -> None:
        with self.assertRaises(LookupFailed):
            await self.resolver.service("broken.example")
        # The nameserver's own log.
        self.flushLoggedErrors(OSError)
