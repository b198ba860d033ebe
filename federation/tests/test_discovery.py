"""Each step of resolving server names, with its rules for ports, certificates and `Host`."""

import json
from collections.abc import Sequence
from email.utils import formatdate
from random import Random
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeReactor
from twisted.trial.unittest import SynchronousTestCase

from federation.discovery import Discovery, Route
from federation.service_records import LookupFailed, ServiceRecord, ServiceRecords
from federation.well_known import WellKnown
from homeserver.http.outbound import Bounds, RequestFailed, Response
from homeserver.http.outbound_peers import Peer
from homeserver.protocol.errors import InvalidParam, RemoteFailed
from homeserver.protocol.identifiers import ServerName
from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.runtime.randomness import Randomness

FED, OLD = "_matrix-fed._tcp.", "_matrix._tcp."


class Web:
    """Well-known files by host; a host that is not there cannot be reached."""

    def __init__(self) -> None:
        self.files: dict[str, Response] = {}
        self.asked: list[str] = []
        self.slow: Deferred[None] | None = None

    def says(self, host: str, server: object, status: int = 200, **headers: str) -> None:
        body = json.dumps({"m.server": server}).encode()
        self.files[host] = Response(status, {name.replace("_", "-"): headers[name] for name in headers}, body)

    async def get_json(self, url: str, *, purpose: str, bounds: Bounds) -> Response:
        host = url.removeprefix("https://").removesuffix("/.well-known/matrix/server")
        self.asked.append(host)
        if self.slow is not None:
            await self.slow
        if host not in self.files:
            raise RequestFailed("no such host")
        return self.files[host]


class Names:
    """SRV records by name; `fails` is asked in vain."""

    def __init__(self) -> None:
        self.records: dict[str, list[ServiceRecord]] = {}
        self.asked: list[str] = []
        self.fails = False

    async def service(self, name: str) -> Sequence[ServiceRecord]:
        self.asked.append(name)
        if self.fails:
            raise LookupFailed(name)
        return self.records.get(name, [])


def to(host: str, port: int, tls_name: str, header: str) -> Route:
    return Route(Peer(((host, port),), tls_name), header)


class DiscoveryTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.reactor.advance(1_700_000_000)
        self.web, self.names = Web(), Names()
        clock, randomness = Clock(cast(ReactorTime, self.reactor)), Randomness(Random(1))
        self.records = ServiceRecords(self.names, clock, randomness, 100_000)
        self.well_known = WellKnown(self.web, clock, randomness, 100_000)
        self.discovery = Discovery(self.well_known, self.records)

    def route(self, name: str) -> Route:
        return self.successResultOf(Deferred.fromCoroutine(self.discovery.route(ServerName(name))))

    def failure(self, name: str) -> object:
        return self.failureResultOf(Deferred.fromCoroutine(self.discovery.route(ServerName(name)))).value

    def srv(self, name: str, host: str, port: int, priority: int = 0, weight: int = 0) -> None:
        self.names.records.setdefault(name, []).append(ServiceRecord(priority, weight, host, port, 600))


class StepTests(DiscoveryTestCase):
    def test_1_addresses(self) -> None:
        self.assertEqual(self.route("1.2.3.4"), to("1.2.3.4", 8448, "1.2.3.4", "1.2.3.4"))
        self.assertEqual(self.route("1.2.3.4:80"), to("1.2.3.4", 80, "1.2.3.4", "1.2.3.4:80"))
        self.assertEqual(self.route("[::1]"), to("::1", 8448, "::1", "[::1]"))
        self.assertEqual(self.route("[::1]:5"), to("::1", 5, "::1", "[::1]:5"))
        self.assertEqual((self.web.asked, self.names.asked), ([], []))

    def test_2_a_port(self) -> None:
        self.assertEqual(self.route("a.example:80"), to("a.example", 80, "a.example", "a.example:80"))
        self.assertEqual((self.web.asked, self.names.asked), ([], []))

    def test_3_1_delegated_to_an_address(self) -> None:
        self.web.says("a.example", "1.2.3.4")
        self.assertEqual(self.route("a.example"), to("1.2.3.4", 8448, "1.2.3.4", "1.2.3.4"))
        self.web.says("b.example", "[::1]:5")
        self.assertEqual(self.route("b.example"), to("::1", 5, "::1", "[::1]:5"))

    def test_3_2_delegated_to_a_port(self) -> None:
        self.web.says("a.example", "m.example:443")
        self.assertEqual(self.route("a.example"), to("m.example", 443, "m.example", "m.example:443"))
        self.assertEqual(self.names.asked, [])

    def test_3_3_delegated_to_a_service(self) -> None:
        self.web.says("a.example", "m.example")
        self.srv(FED + "m.example", "host.example", 4)
        self.srv(OLD + "m.example", "old.example", 5)
        self.assertEqual(self.route("a.example"), to("host.example", 4, "m.example", "m.example"))

    def test_3_4_delegated_to_an_old_service(self) -> None:
        self.web.says("a.example", "m.example")
        self.srv(OLD + "m.example", "old.example", 5)
        self.assertEqual(self.route("a.example"), to("old.example", 5, "m.example", "m.example"))

    def test_3_5_delegated_to_a_host(self) -> None:
        self.web.says("a.example", "m.example")
        self.assertEqual(self.route("a.example"), to("m.example", 8448, "m.example", "m.example"))
        self.assertEqual(self.web.asked, ["a.example"])

    def test_4_a_service(self) -> None:
        self.srv(FED + "a.example", "host.example", 4)
        self.srv(OLD + "a.example", "old.example", 5)
        self.assertEqual(self.route("a.example"), to("host.example", 4, "a.example", "a.example"))

    def test_5_an_old_service(self) -> None:
        self.srv(OLD + "a.example", "old.example", 5)
        self.assertEqual(self.route("a.example"), to("old.example", 5, "a.example", "a.example"))

    def test_6_a_host(self) -> None:
        self.assertEqual(self.route("a.example"), to("a.example", 8448, "a.example", "a.example"))

    def test_what_is_no_name(self) -> None:
        for name in ("", "a_b", "a.example:99999", "a.example:0", "https://a", "[::1"):
            self.assertIsInstance(self.failure(name), InvalidParam)


class WellKnownTests(DiscoveryTestCase):
    def asked_after(self, seconds: float) -> int:
        """How often the host was asked until then."""
        self.reactor.advance(seconds)
        self.route("a.example")
        return len(self.web.asked)

    def test_what_is_of_no_use_is_ignored(self) -> None:
        for number, server in enumerate((5, None, "https://m.example", "m.example:99999", "a b", "")):
            self.web.says(f"{number}.example", server)
            self.assertEqual(self.route(f"{number}.example").host, f"{number}.example")
        self.web.files["x.example"] = Response(200, {}, b"not JSON")
        self.web.says("y.example", "m.example", status=404)
        self.assertEqual(
            [self.route(name).host for name in ("x.example", "y.example")], ["x.example", "y.example"]
        )

    def test_a_day_without_a_word(self) -> None:
        self.web.says("a.example", "m.example")
        self.assertEqual([self.asked_after(s) for s in (0, 24 * 3600 - 1, 1)], [1, 1, 2])

    def test_as_long_as_it_says(self) -> None:
        self.web.says("a.example", "m.example", cache_control="public, max-age=1000")
        self.assertEqual([self.asked_after(s) for s in (0, 999, 1)], [1, 1, 2])

    def test_until_it_says(self) -> None:
        self.web.says("a.example", "m.example", expires=formatdate(1_700_001_000, usegmt=True))
        self.assertEqual([self.asked_after(s) for s in (0, 999, 1)], [1, 1, 2])

    def test_not_longer_than_two_days(self) -> None:
        self.web.says("a.example", "m.example", cache_control="max-age=999999999")
        self.assertEqual([self.asked_after(s) for s in (0, 48 * 3600 - 1, 1)], [1, 1, 2])

    def test_never_less_than_minutes(self) -> None:
        for headers in ({"cache_control": "no-store"}, {"cache_control": "max-age=0"}, {"expires": "0"}):
            self.web.says("a.example", "m.example", 200, **headers)
            before = len(self.web.asked)
            self.assertEqual([self.asked_after(s) - before for s in (10**6, 299, 1)], [1, 1, 2])

    def test_failures_are_remembered_for_longer_and_longer(self) -> None:
        pauses = []
        for _ in range(9):
            before, start = self.asked_after(0), self.reactor.seconds()
            while self.asked_after(1) == before:
                pass
            pauses.append(self.reactor.seconds() - start)
        self.assertTrue(48 <= pauses[0] <= 61 and 90 <= pauses[1] <= 122, pauses)
        self.assertTrue(all(2800 <= pause <= 3601 for pause in pauses[6:]), pauses)

    def test_a_failing_host_keeps_its_delegate_for_a_while(self) -> None:
        self.web.says("a.example", "m.example", cache_control="max-age=3600")
        self.route("a.example")
        self.web.says("a.example", None, status=502)
        self.reactor.advance(3600)
        self.assertEqual(self.route("a.example").host, "m.example")
        del self.web.files["a.example"]
        self.reactor.advance(40 * 3600)
        self.assertEqual(self.route("a.example").host, "m.example")
        self.reactor.advance(8 * 3600)
        self.assertEqual(self.route("a.example").host, "a.example")

    def test_a_host_that_says_no_is_believed(self) -> None:
        self.web.says("a.example", "m.example", cache_control="max-age=3600")
        self.route("a.example")
        self.web.says("a.example", None, status=404)
        self.reactor.advance(3600)
        self.assertEqual(self.route("a.example").host, "a.example")

    def test_it_is_asked_once_for_all(self) -> None:
        self.web.says("a.example", "m.example:1")
        self.web.slow = Deferred()
        routes = [Deferred.fromCoroutine(self.discovery.route(ServerName("a.example"))) for _ in range(3)]
        self.web.slow.callback(None)
        self.assertEqual([self.successResultOf(route).host for route in routes], ["m.example:1"] * 3)
        self.assertEqual(self.web.asked, ["a.example"])


class ServiceRecordTests(DiscoveryTestCase):
    def hosts(self) -> list[str]:
        return [host for host, _ in self.route("a.example").peer.places]

    def test_by_priority(self) -> None:
        for host, priority in (("c", 30), ("a", 10), ("b", 20)):
            self.srv(FED + "a.example", host, 1, priority)
        self.assertEqual(self.hosts(), ["a", "b", "c"])

    def test_by_weight(self) -> None:
        self.srv(FED + "a.example", "heavy", 1, 0, 90)
        self.srv(FED + "a.example", "light", 1, 0, 10)
        first = [self.hosts()[0] for _ in range(1000)].count("heavy")
        self.assertTrue(850 < first < 950, first)

    def test_not_offered(self) -> None:
        self.srv(FED + "a.example", "", 0)
        self.assertIsInstance(self.failure("a.example"), RemoteFailed)

    def test_remembered_as_long_as_they_say(self) -> None:
        self.srv(FED + "a.example", "host.example", 1)
        for seconds, asked in ((0, 1), (599, 1), (1, 2)):
            self.reactor.advance(seconds)
            self.route("a.example")
            self.assertEqual(len(self.names.asked), asked)

    def test_when_nobody_knows(self) -> None:
        self.names.fails = True
        self.assertIsInstance(self.failure("a.example"), RemoteFailed)
        self.names.fails = False
        self.srv(FED + "a.example", "host.example", 1)
        self.assertEqual(self.hosts(), ["host.example"])
        self.names.fails = True
        self.reactor.advance(600)
        self.assertEqual(self.hosts(), ["host.example"])
