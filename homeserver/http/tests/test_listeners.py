"""Real ports and sockets on the loopback interface."""

import socket
import ssl
import stat
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from warnings import catch_warnings, simplefilter

import pytest
from cryptography import x509
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from config.listeners import Listener, Resource, TcpListener, UnixListener
from config.tls import Tls
from homeserver.http.dispatch import Incoming, Rendered
from homeserver.http.listeners import ListenError, Listeners
from homeserver.http.tests.certificates import write_certificate
from homeserver.http.tls import CertificateError
from homeserver.runtime.threads import ThreadGroup

CLIENT = (Resource(names=("client",)),)


class Echo:
    """Answers with what was asked, at once unless the path says to wait."""

    def __init__(self) -> None:
        self.asked: Deferred[None] = Deferred()
        self.waiting: Deferred[None] = Deferred()
        self.size = 0

    async def answer(self, incoming: Incoming) -> Rendered:
        if incoming.path.endswith("/slow"):
            self.asked.callback(None)
            await self.waiting
        text = f"{incoming.path} for {incoming.address}"
        return Rendered(200, text.ljust(self.size).encode())


class UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(str(self.path))


def get(connection: HTTPConnection, path: str) -> tuple[int, str]:
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ListenersTests(TestCase):
    def setUp(self) -> None:
        # Trial's own directories are too deep for the name of a Unix socket.
        self.directory = Path(mkdtemp())
        self.addCleanup(rmtree, self.directory)
        self.echo = Echo()
        self.threads = ThreadGroup(reactor, "clients", 4)
        self.addCleanup(self.threads.stop)

    def listeners(self, *listeners: Listener, tls: Tls | None = None, metrics: bool = False) -> Listeners:
        made = Listeners(reactor, self.echo, listeners, tls or Tls(), metrics=metrics)
        self.addCleanup(lambda: Deferred.fromCoroutine(made.close()))
        return made

    def opened(self, *listeners: Listener, tls: Tls | None = None, metrics: bool = False) -> Listeners:
        made = self.listeners(*listeners, tls=tls, metrics=metrics)
        made.open()
        return made

    def get(self, connection: HTTPConnection, path: str) -> Deferred[tuple[int, str]]:
        return self.threads.run(get, connection, path)

    def refusal(self, *listeners: Listener, tls: Tls | None = None) -> str:
        with pytest.raises(ListenError) as caught:
            self.opened(*listeners, tls=tls)
        return str(caught.value)

    async def test_every_address_is_served_on_one_port(self) -> None:
        listeners = self.opened(TcpListener(port=0, bind_addresses=("127.0.0.1", "::1"), resources=CLIENT))
        (url,) = listeners.urls
        number = int(url.removeprefix("http://localhost:").removesuffix("/"))
        for address in ("127.0.0.1", "::1"):
            answer = await self.get(HTTPConnection(address, number, timeout=5), "/_matrix/client/x")
            assert answer == (200, f"/_matrix/client/x for {address}")

    async def test_only_the_resources_of_the_listener_exist(self) -> None:
        keys, number = Resource(names=("keys",)), free_port()
        self.opened(TcpListener(port=number, bind_addresses=("127.0.0.1",), resources=(keys,)))
        statuses = {
            path: (await self.get(HTTPConnection("127.0.0.1", number, timeout=5), path))[0]
            for path in ("/health", "/_matrix/key/v2/server", "/_matrix/client/versions", "/metrics", "/")
        }
        assert list(statuses.values()) == [200, 200, 404, 404, 404]

    async def test_metrics_listener_serves_metrics_and_nothing_else(self) -> None:
        number = free_port()
        metrics = TcpListener(port=number, bind_addresses=("127.0.0.1",), type="metrics")
        self.opened(metrics, metrics=True)
        statuses = [
            (await self.get(HTTPConnection("127.0.0.1", number, timeout=5), path))[0]
            for path in ("/metrics", "/_synapse/metrics", "/health", "/_matrix/client/versions")
        ]
        assert statuses == [200, 200, 404, 404]

    async def test_metrics_stay_hidden_unless_enabled(self) -> None:
        alone, among = free_port(), free_port()
        self.opened(
            TcpListener(port=alone, bind_addresses=("127.0.0.1",), type="metrics"),
            TcpListener(port=among, bind_addresses=("127.0.0.1",), resources=(Resource(names=("metrics",)),)),
        )
        with pytest.raises(ConnectionRefusedError):
            await self.get(HTTPConnection("127.0.0.1", alone, timeout=5), "/metrics")
        answer = await self.get(HTTPConnection("127.0.0.1", among, timeout=5), "/_synapse/metrics")
        assert answer[0] == 404

    async def test_port_in_use_is_said_and_nothing_stays_open(self) -> None:
        mine = free_port()
        with socket.create_server(("127.0.0.1", 0)) as other:
            theirs = other.getsockname()[1]
            text = self.refusal(
                TcpListener(port=mine, bind_addresses=("127.0.0.1",)),
                TcpListener(port=theirs, bind_addresses=("127.0.0.1",)),
            )
        assert text.startswith(f"Cannot listen on 127.0.0.1 port {theirs}: another program uses it.")
        await deferLater(reactor, 0)
        with pytest.raises(ConnectionRefusedError):
            await self.get(HTTPConnection("127.0.0.1", mine, timeout=5), "/health")

    async def test_address_of_another_machine_is_refused(self) -> None:
        text = self.refusal(TcpListener(port=0, bind_addresses=("127.0.0.1", "203.0.113.1")))
        assert "203.0.113.1" in text
        assert "does not have that address" in text

    async def test_a_foreign_ipv6_address_is_done_without(self) -> None:
        """As on a machine without IPv6, where the default addresses still must work."""
        listeners = self.opened(
            TcpListener(port=0, bind_addresses=("127.0.0.1", "2001:db8::1"), resources=CLIENT)
        )
        assert len(listeners.urls) == 1
        assert "2001:db8::1" in self.refusal(TcpListener(port=0, bind_addresses=("2001:db8::1",)))

    async def test_everywhere_is_one_port_for_both_kinds_of_addresses(self) -> None:
        listeners = self.opened(TcpListener(port=0, resources=CLIENT))
        (url,) = listeners.urls
        number = int(url.removeprefix("http://localhost:").removesuffix("/"))
        status, _ = await self.get(HTTPConnection("127.0.0.1", number, timeout=5), "/health")
        assert status == 200

    async def test_unix_socket_has_its_mode_and_replaces_a_dead_one(self) -> None:
        path = self.directory / "s"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        listeners = self.opened(UnixListener(path=path, mode=0o620, resources=CLIENT))
        assert stat.S_IMODE(path.stat().st_mode) == 0o620
        assert (await self.get(UnixConnection(path), "/health"))[0] == 200
        await listeners.close()
        assert not path.exists()

    async def test_what_is_not_a_dead_socket_stays(self) -> None:
        path = self.directory / "s"
        path.write_text("precious")
        assert "a file has that name" in self.refusal(UnixListener(path=path))
        assert path.read_text() == "precious"
        path.unlink()
        with socket.socket(socket.AF_UNIX) as alive:
            alive.bind(str(path))
            alive.listen()
            assert "another program uses it" in self.refusal(UnixListener(path=path))

    async def test_socket_in_a_directory_that_is_missing_is_refused(self) -> None:
        text = self.refusal(UnixListener(path=self.directory / "none" / "s"))
        assert f"there is no directory {self.directory / 'none'}" in text

    async def test_certificate_is_shown_and_renewed(self) -> None:
        tls = write_certificate(self.directory, serial=1)
        number = free_port()
        secure = TcpListener(port=number, bind_addresses=("127.0.0.1",), tls=True, resources=CLIENT)
        listeners = self.opened(secure, tls=tls)
        assert listeners.urls == [f"https://localhost:{number}/"]
        assert await self.serial(number) == 1
        write_certificate(self.directory, serial=2)
        assert await self.serial(number) == 1
        listeners.renew_certificate()
        assert await self.serial(number) == 2

    async def test_broken_renewal_keeps_the_old_certificate(self) -> None:
        tls = write_certificate(self.directory, serial=1)
        number = free_port()
        listeners = self.opened(TcpListener(port=number, bind_addresses=("127.0.0.1",), tls=True), tls=tls)
        assert tls.private_key_path is not None
        tls.private_key_path.write_text("nonsense")
        with pytest.raises(CertificateError, match="holds no key"):
            listeners.renew_certificate()
        assert await self.serial(number) == 1

    async def test_old_tls_is_refused(self) -> None:
        number = free_port()
        self.opened(
            TcpListener(port=number, bind_addresses=("127.0.0.1",), tls=True),
            tls=write_certificate(self.directory),
        )
        old = trusting()
        with catch_warnings():
            simplefilter("ignore", DeprecationWarning)
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await self.get(HTTPSConnection("127.0.0.1", number, timeout=5, context=old), "/health")

    async def test_useless_certificate_files_are_said(self) -> None:
        good, other = write_certificate(self.directory), write_certificate(self.directory, stem="other")
        garbage = self.directory / "garbage"
        garbage.write_text("-----BEGIN")
        secure = TcpListener(port=0, bind_addresses=("127.0.0.1",), tls=True)
        mistakes: Sequence[tuple[Path | None, Path | None, str]] = [
            (self.directory / "none", good.private_key_path, "No such file"),
            (garbage, good.private_key_path, "holds no certificate"),
            (good.certificate_path, garbage, "holds no key"),
            (good.certificate_path, other.private_key_path, "holds no key"),
        ]
        for certificate, private_key, reason in mistakes:
            tls = Tls(certificate_path=certificate, private_key_path=private_key)
            with pytest.raises(CertificateError, match=reason):
                self.opened(secure, tls=tls)

    async def test_drain_waits_for_the_requests_under_way(self) -> None:
        number = free_port()
        listeners = self.opened(TcpListener(port=number, bind_addresses=("127.0.0.1",), resources=CLIENT))
        slow = self.get(HTTPConnection("127.0.0.1", number, timeout=5), "/_matrix/client/slow")
        await self.echo.asked
        await listeners.close()
        drained = Deferred.fromCoroutine(listeners.drain(5))
        self.echo.waiting.callback(None)
        assert await drained is True
        assert await slow == (200, "/_matrix/client/slow for 127.0.0.1")
        with pytest.raises(ConnectionRefusedError):
            await self.get(HTTPConnection("127.0.0.1", number, timeout=5), "/health")

    async def test_drain_gives_up_on_a_request_that_does_not_end(self) -> None:
        number = free_port()
        listeners = self.opened(TcpListener(port=number, bind_addresses=("127.0.0.1",), resources=CLIENT))
        endless = self.get(HTTPConnection("127.0.0.1", number, timeout=5), "/_matrix/client/slow")
        await self.echo.asked
        assert await listeners.drain(0.02) is False
        with pytest.raises(ConnectionError):
            await endless

    async def test_drain_sends_all_of_an_answer_and_closes_idle_connections(self) -> None:
        number = free_port()
        self.echo.size = 5_000_000
        listeners = self.opened(TcpListener(port=number, bind_addresses=("127.0.0.1",), resources=CLIENT))
        idle = socket.create_connection(("127.0.0.1", number), timeout=5)
        self.addCleanup(idle.close)
        large = self.get(HTTPConnection("127.0.0.1", number, timeout=5), "/_matrix/client/slow")
        await self.echo.asked
        self.echo.waiting.callback(None)
        assert await listeners.drain(5) is True
        assert len((await large)[1]) == 5_000_000
        assert await self.threads.run(idle.recv, 1) == b""

    def serial(self, number: int) -> Deferred[int]:
        """The serial number of the certificate that a new connection is shown."""
        return self.threads.run(serial_of_server, number)


def serial_of_server(number: int) -> int:
    with (
        socket.create_connection(("127.0.0.1", number), timeout=5) as plain,
        trusting().wrap_socket(plain) as secure,
    ):
        der = secure.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number
