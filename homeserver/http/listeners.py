"""From the configured listeners to open ports."""

import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from twisted.internet.defer import Deferred, DeferredList, gatherResults, succeed
from twisted.internet.error import CannotListenError

from config.listeners import Listener, TcpListener, UnixListener
from config.tls import Tls
from homeserver.http.dispatch import Incoming, Rendered, render_error
from homeserver.http.site import LARGEST_BODY, Answers, Site, file_without_name
from homeserver.http.tls import CertificateError, RenewableCertificate
from homeserver.protocol.errors import Unrecognized
from homeserver.runtime.refusal import Refusal

log = logging.getLogger(__name__)

_BACKLOG = 1024
_CLOSE_SECONDS = 1
_EVERY_IPV4, _EVERY_IPV6 = "0.0.0.0", "::"
_REACHED_LOCALLY = (_EVERY_IPV4, _EVERY_IPV6, "127.0.0.1", "::1")

# COMPAT(synapse): what a resource of a listener stands for.
_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "client": (
        "/_matrix/client/",
        "/.well-known/matrix/",
        "/_synapse/admin/",
        "/_synapse/client/",
        "/_folkmoot/",
    ),
    "consent": ("/_matrix/consent",),
    "federation": ("/_matrix/federation/", "/.well-known/matrix/server"),
    "health": ("/health",),
    "keys": ("/_matrix/key/",),
    "media": ("/_matrix/media/", "/_matrix/client/v1/media/"),
    "metrics": ("/metrics", "/_synapse/metrics"),
    "openid": ("/_matrix/federation/v1/openid/userinfo",),
    "static": ("/_matrix/static/",),
}


class ListenError(Refusal):
    """A port or socket cannot be opened."""


class ServedPaths:
    """Answers for one listener: whatever is not among its resources does not exist there."""

    def __init__(self, answers: Answers, resources: frozenset[str]) -> None:
        self._answers = answers
        self._prefixes = tuple(prefix for name in sorted(resources) for prefix in _PREFIXES[name])

    def answer(self, incoming: Incoming) -> Awaitable[Rendered]:
        if incoming.path.startswith(self._prefixes):
            return self._answers.answer(incoming)
        return succeed(render_error(Unrecognized("Unrecognized request")))


class OpenPort(Protocol):
    """What the reactor gives for a port that it listens on."""

    def getHost(self) -> Any: ...

    def stopListening(self) -> Deferred[None] | None: ...


class Listeners:
    """The open ports of the server."""

    def __init__(
        self,
        reactor: Any,
        answers: Answers,
        listeners: Sequence[Listener],
        tls: Tls,
        *,
        metrics: bool,
        largest_body: int = LARGEST_BODY,
        body_file: Callable[[], BinaryIO] = file_without_name,
    ) -> None:
        """`reactor` has the interfaces for TCP, TLS, Unix sockets and time; `metrics`: serve them?

        `largest_body` and `body_file` are as of `Site`.
        """
        self._largest_body = largest_body
        self._body_file = body_file
        self._reactor = reactor
        self._answers = answers
        self._listeners = listeners
        self._tls = tls
        self._hidden = frozenset() if metrics else frozenset({"metrics"})
        self._certificate: RenewableCertificate | None = None
        self._ports: list[OpenPort] = []
        self._sites: list[Site] = []
        self.urls: list[str] = []
        """Where clients are served, once open."""

    def open(self) -> None:
        """Opens all ports, or none: then it raises ListenError or CertificateError."""
        try:
            for listener in self._listeners:
                self._open(listener)
        except (ListenError, CertificateError):
            self._stop()
            raise

    def renew_certificate(self) -> None:
        """Raises CertificateError, and goes on with the old certificate, where the files are of no use."""
        if self._certificate is not None:
            self._certificate.renew()

    async def close(self) -> None:
        """Takes no more connections; those that are open stay."""
        await gatherResults(self._stop())

    async def drain(self, seconds: float) -> bool:
        """Waits, at most `seconds`, until every request has its answer, and then closes every connection.

        False where the time was too short for some request.
        """
        answered = await self._all([site.when_drained() for site in self._sites], seconds)
        await self._all([site.when_closed() for site in self._sites], _CLOSE_SECONDS)
        return answered

    async def _all(self, events: Sequence[Deferred[None]], seconds: float) -> bool:
        outcomes = await DeferredList(events, consumeErrors=True).addTimeout(seconds, self._reactor)
        return all(success for success, _ in outcomes)

    def _stop(self) -> list[Deferred[None]]:
        # A port must not be told twice.
        ports, self._ports = self._ports, []
        return [stopped for port in ports if (stopped := port.stopListening()) is not None]

    def _open(self, listener: Listener) -> None:
        resources = listener.resource_names - self._hidden
        if not resources:
            log.warning("a listener for metrics is not opened, because enable_metrics is not set")
            return
        site = Site(
            ServedPaths(self._answers, resources),
            self._reactor,
            compress=any(resource.compress for resource in listener.resources),
            x_forwarded=listener.x_forwarded,
            largest_body=self._largest_body,
            body_file=self._body_file,
        )
        self._sites.append(site)
        if isinstance(listener, UnixListener):
            self._open_unix(listener, site)
        else:
            self._open_tcp(listener, site)

    def _open_tcp(self, listener: TcpListener, site: Site) -> None:
        number, failures = listener.port, []
        # "::" first, because on most systems it takes the port on IPv4 too.
        for address in sorted(listener.bind_addresses, key=lambda address: address != _EVERY_IPV6):
            try:
                port = self._bind(listener, site, number, address)
            except CannotListenError as error:
                failures.append((address, error.socketError))
                continue
            # Where any port would do, all addresses of the listener share the one that was found.
            number = port.getHost().port
            self._opened(listener, port, address, number)
        bound = len(failures) < len(listener.bind_addresses)
        for address, reason in failures:
            if not (bound and _is_bearable(address, reason, listener.bind_addresses)):
                raise ListenError(_why_not(address, number, reason)) from reason
            log.info("not listening on %s port %d: %s", address, number, reason.strerror)

    def _bind(self, listener: TcpListener, site: Site, number: int, address: str) -> OpenPort:
        port: OpenPort
        if listener.tls:
            port = self._reactor.listenSSL(number, site, self._certificate_read(), _BACKLOG, address)
        else:
            port = self._reactor.listenTCP(number, site, _BACKLOG, address)
        return port

    def _certificate_read(self) -> RenewableCertificate:
        if self._certificate is None:
            certificate, private_key = self._tls.certificate_path, self._tls.private_key_path
            assert certificate is not None, "the configuration is checked for it"
            assert private_key is not None, "the configuration is checked for it"
            self._certificate = RenewableCertificate(certificate, private_key)
        return self._certificate

    def _opened(self, listener: TcpListener, port: OpenPort, address: str, number: int) -> None:
        self._ports.append(port)
        if "client" in listener.resource_names:
            url = _url("https" if listener.tls else "http", address, number)
            if url not in self.urls:
                self.urls.append(url)
        log.info("listening on %s port %d", address, number)

    def _open_unix(self, listener: UnixListener, site: Site) -> None:
        _make_way(listener.path)
        try:
            port = self._reactor.listenUNIX(str(listener.path), site, _BACKLOG, listener.mode)
        except CannotListenError as error:
            raise ListenError(
                f"Cannot make the socket {listener.path}: {error.socketError.strerror or error.socketError}."
            ) from error
        self._ports.append(port)
        log.info("listening on the socket %s", listener.path)


def _is_bearable(address: str, reason: OSError, addresses: Sequence[str]) -> bool:
    """Whether a listener can do without an address that it could not have, given that it has another one."""
    if address == _EVERY_IPV4 and _EVERY_IPV6 in addresses:
        return reason.errno == errno.EADDRINUSE
    # A machine without IPv6.
    return ":" in address and reason.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def _why_not(address: str, number: int, reason: OSError) -> str:
    where = f"Cannot listen on {address} port {number}: "
    if reason.errno == errno.EADDRINUSE:
        return where + "another program uses it. Stop that program, or set another port under listeners."
    if reason.errno == errno.EACCES:
        return where + "only privileged programs may use ports below 1024. Set another port under listeners."
    if reason.errno == errno.EADDRNOTAVAIL:
        return where + "this machine does not have that address. Correct bind_addresses under listeners."
    return f"{where}{reason.strerror or reason}. Correct bind_addresses under listeners."


def _url(scheme: str, address: str, number: int) -> str:
    if address in _REACHED_LOCALLY:
        return f"{scheme}://localhost:{number}/"
    return f"{scheme}://[{address}]:{number}/" if ":" in address else f"{scheme}://{address}:{number}/"


def _make_way(path: Path) -> None:
    """Removes the socket that a killed server left behind; raises ListenError for anything else."""
    if not path.is_socket():
        if not path.parent.is_dir():
            raise ListenError(
                f"Cannot make the socket {path}: there is no directory {path.parent}. Create it."
            )
        if path.exists():
            raise ListenError(f"Cannot make the socket {path}: a file has that name. Choose another path.")
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError:
            # Busy, or not ours to ask: somebody's in any case.
            pass
    raise ListenError(f"Cannot make the socket {path}: another program uses it. Stop that program first.")
