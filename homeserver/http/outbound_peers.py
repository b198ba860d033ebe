"""Connections to those who are spoken to, kept for some time and never too many."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from homeserver.http.brief_connections import BriefConnections
from homeserver.http.outbound_tls import TlsClientFactory, Trust

_CONNECT_SECONDS = 10
_IDLE_SECONDS = 90.0
_PEERS = 300
_PORTS = {"http": 80, "https": 443}

IDLE_PER_PEER = 3
"""Connections that are kept while nobody uses them."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a request goes.

    The places, hosts or addresses with ports, are tried in their order until one takes the connection. Whoever is
    there must prove to be `tls_name`; None stands for plain HTTP.
    """

    places: tuple[tuple[str, int], ...]
    tls_name: str | None

    @classmethod
    def of_url(cls, url: str) -> Self:
        """Whom a URL names. Raises ValueError where it is no HTTP or HTTPS URL."""
        parsed = urlsplit(url)
        host, port = parsed.hostname, parsed.port
        if not url.isascii():
            raise ValueError("A URL has ASCII characters only")
        if parsed.scheme not in _PORTS or not host:
            raise ValueError("Not the URL of a web server")
        place = (host, _PORTS[parsed.scheme] if port is None else port)
        return cls((place,), host if parsed.scheme == "https" else None)


class Spoken(NamedTuple):
    """The ways to speak to a peer: `agent` for any request, `brief` for those whose answers are short."""

    agent: Agent
    brief: BriefConnections
    pool: HTTPConnectionPool

    def close(self) -> Deferred[Any]:
        """Closes all connections that nobody uses."""
        return gatherResults([self.pool.closeCachedConnections(), self.brief.close()])


class Peers:
    """All who are spoken to. The connections of those spoken to least recently are closed first."""

    def __init__(self, reactor: Any, trust: Trust, idle_per_peer: int = IDLE_PER_PEER) -> None:
        """`reactor` is one that `GuardedReactor` stands before, or a bare one."""
        self._reactor = reactor
        self._trust = trust
        self._idle_per_peer = idle_per_peer
        self._known: OrderedDict[Peer, Spoken] = OrderedDict()

    def to(self, peer: Peer) -> Spoken:
        """Speaks to the peer, whatever host the URL of a request names."""
        known = self._known.pop(peer, None) or self._new(peer)
        self._known[peer] = known
        if len(self._known) > _PEERS:
            _, oldest = self._known.popitem(last=False)
            oldest.close()
        return known

    async def close(self) -> None:
        """Closes all connections that nobody uses."""
        known, self._known = self._known, OrderedDict()
        for spoken in known.values():
            await spoken.close()

    def _new(self, peer: Peer) -> Spoken:
        pool = HTTPConnectionPool(self._reactor)
        pool.maxPersistentPerHost = self._idle_per_peer
        pool.cachedConnectionTimeout = _IDLE_SECONDS  # type: ignore[assignment]  # any number of seconds will do
        endpoint = _PeerEndpoint(self._reactor, peer, self._trust)
        agent = Agent.usingEndpointFactory(self._reactor, _Endpoints(endpoint), pool)
        return Spoken(agent, BriefConnections(self._reactor, endpoint, self._idle_per_peer), pool)


@implementer(IAgentEndpointFactory)
class _Endpoints:
    def __init__(self, endpoint: "_PeerEndpoint") -> None:
        self._endpoint = endpoint

    def endpointForURI(self, uri: URI) -> "_PeerEndpoint":
        return self._endpoint


@implementer(IStreamClientEndpoint)
class _PeerEndpoint:
    """Connects to one of a peer's places, and puts TLS around it."""

    def __init__(self, reactor: Any, peer: Peer, trust: Trust) -> None:
        self._reactor = reactor
        self._peer = peer
        self._trust = trust

    def connect(self, factory: Any) -> Deferred[Any]:
        """Fires with the connected protocol; fails with the reason of the last place."""
        return Deferred.fromCoroutine(self._connect(factory))

    async def _connect(self, factory: Any) -> Any:
        name = self._peer.tls_name
        if name is None:
            return await self._first(lambda: factory)
        secure = self._trust.connection_to(name)
        tls = await self._first(lambda: TlsClientFactory(secure, True, factory, self._reactor))
        return tls.wrappedProtocol

    async def _first(self, make_factory: Callable[[], Any]) -> Any:
        *others, last = self._peer.places
        for place in others:
            try:
                return await self._place(*place).connect(make_factory())
            except Exception:
                # The next place is there for this; only the last one's reason is told.
                continue
        return await self._place(*last).connect(make_factory())

    def _place(self, host: str, port: int) -> Any:
        kind = _kind_of_address(host)
        return kind(self._reactor, host, port, timeout=_CONNECT_SECONDS)


def _kind_of_address(host: str) -> Any:
    if isIPv6Address(host):
        return TCP6ClientEndpoint
    return TCP4ClientEndpoint if isIPAddress(host) else HostnameEndpoint
