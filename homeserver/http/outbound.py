"""Requests to others: Matrix servers, push gateways, identity servers, application services, websites.

Whatever the other side does, a request ends in time and takes no more memory than it may.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any
from urllib.parse import urljoin, urlsplit

from OpenSSL import SSL
from treq.client import HTTPClient  # noqa: TID251 -- the one module that speaks to others
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH

from homeserver.http.brief_answers import LongAnswer, UnusableAnswer
from homeserver.http.brief_connections import BriefConnections, request_bytes
from homeserver.http.outbound_addresses import AddressForbidden, AddressRules, GuardedReactor
from homeserver.http.outbound_peers import IDLE_PER_PEER, Peer, Peers
from homeserver.http.outbound_tls import Trust
from homeserver.protocol.json import JsonObject, JsonValue, decode_json, encode_json
from homeserver.runtime.clock import Clock
from homeserver.runtime.metrics import OUTBOUND_SECONDS
from homeserver.runtime.version import program_version

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Write = Callable[[bytes], object]


class RequestFailed(Exception):
    """There is no answer that could be used; the text says why, in words for a log."""


class ForbiddenAddress(RequestFailed):
    """The request would have gone to an address that the operator forbids."""


class HungUp(RequestFailed):
    """The connection ended before an answer began."""


class TookTooLong(RequestFailed):
    """The answer was not there in time."""


class AnswerTooLarge(RequestFailed):
    """The answer has more bytes than it may."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a request may take: seconds until the last byte of the answer, bytes of its body, redirects."""

    seconds: float = 30
    body: int = 1024 * 1024
    redirects: int = 0


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whatever its status. Names of headers are in lower case, and each has its last value.

    `url` is where it came from in the end, after redirects.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    url: str = ""

    def json(self) -> JsonValue:
        """Raises RequestFailed where the body is not JSON."""
        try:
            return decode_json(self.body)
        except ValueError as error:
            raise RequestFailed(f"The answer, with status {self.status}, is not JSON") from error


class Outbound:
    """Makes requests under one set of rules: which addresses, whose certificates."""

    def __init__(
        self,
        reactor: Any,
        rules: AddressRules | None,
        trust: Trust,
        user_agent_suffix: str | None = None,
        *,
        idle_per_peer: int = IDLE_PER_PEER,
    ) -> None:
        """Without `rules` every address may be spoken to; only for URLs that the operator wrote."""
        self._reactor = reactor
        self._clock = Clock(reactor)
        guarded = reactor if rules is None else GuardedReactor(reactor, rules)
        self._peers = Peers(guarded, trust, idle_per_peer)
        self._user_agent = f"Folkmoot/{program_version()}"
        if user_agent_suffix:
            self._user_agent += f" {user_agent_suffix}"

    async def request(
        self,
        method: str,
        url: str,
        *,
        purpose: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        bounds: Bounds = Bounds(),
        peer: Peer | None = None,
        into: Write | None = None,
        is_brief: bool = False,
    ) -> Response:
        """Any answer there is. Raises RequestFailed, ForbiddenAddress, AnswerTooLarge.

        `purpose` is a word for the metrics. `peer` is spoken to instead of the host that the URL names; then
        redirects are not followed. A body of status 200 goes to `into`, piece by piece, if that is given. With a body
        to be sent and an answer that `is_brief`, which is read as a whole, a request costs a quarter.
        """
        asked = _Asked(method, url, headers or {}, body, bounds, peer, into, is_brief)
        started = self._clock.seconds()
        status = "failed"
        try:
            answered = Deferred.fromCoroutine(self._following(asked))
            response = await answered.addTimeout(bounds.seconds, self._reactor)
            status = str(response.status)
            return response
        except TimeoutError:
            raise TookTooLong(f"{asked.host} took longer than {bounds.seconds:g} s") from None
        finally:
            OUTBOUND_SECONDS.labels(purpose, status).observe(self._clock.seconds() - started)

    async def get_json(self, url: str, *, purpose: str, **options: Any) -> Response:
        """GET, with the options of `request`; the JSON is that of `Response.json`."""
        headers = {"Accept": "application/json", **(options.pop("headers", None) or {})}
        return await self.request("GET", url, purpose=purpose, headers=headers, **options)

    async def post_json(self, url: str, body: JsonObject, *, purpose: str, **options: Any) -> Response:
        """POST of a JSON object, with the options of `request`."""
        headers = {"Content-Type": "application/json", **(options.pop("headers", None) or {})}
        return await self.request(
            "POST", url, purpose=purpose, headers=headers, body=encode_json(body), **options
        )

    async def close(self) -> None:
        """Closes the connections that are kept for later requests."""
        await self._peers.close()

    async def _following(self, asked: "_Asked") -> Response:
        response = await self._once(asked)
        location = response.headers.get("location")
        if response.status not in _REDIRECTS or location is None or not asked.follows:
            return response
        return await self._following(asked.redirected(location))

    async def _once(self, asked: "_Asked") -> Response:
        try:
            spoken = self._peers.to(asked.peer or Peer.of_url(asked.url))
            if asked.is_brief and asked.body is not None:
                return await self._briefly(spoken.brief, asked, asked.body)
            response = await self._sent(spoken.agent, asked)
        except Exception as error:
            cause = _cause(error)
            if isinstance(cause, CancelledError):
                raise cause from None
            raise _failure(cause, asked.host) from error
        into = asked.into if response.code == 200 else None
        received = await _read(response, asked.bounds.body, into)
        return Response(response.code, _headers(response.headers), received, asked.url)

    def _sent(self, agent: Any, asked: "_Asked") -> Any:
        # A client of its own, because they keep cookies.
        return HTTPClient(agent).request(
            asked.method,
            asked.url,
            headers=Headers({name: [value] for name, value in self._headers_of(asked).items()}),
            data=asked.body,
            allow_redirects=False,
            unbuffered=True,
            reactor=self._reactor,
        )

    async def _briefly(self, connections: BriefConnections, asked: "_Asked", body: bytes) -> Response:
        url = urlsplit(asked.url)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        request = request_bytes(asked.method, target, asked.host, self._headers_of(asked), body)
        answer = await connections.ask(request, asked.bounds.body)
        return Response(answer.status, answer.headers, answer.body, asked.url)

    def _headers_of(self, asked: "_Asked") -> dict[str, str]:
        return {"User-Agent": self._user_agent, **asked.headers}


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    bounds: Bounds
    peer: Peer | None
    into: Write | None
    is_brief: bool

    @property
    def host(self) -> str:
        """With its port, for messages; the whole of what is no URL."""
        try:
            return urlsplit(self.url).netloc.rpartition("@")[2] or self.url
        except ValueError:
            return self.url

    @property
    def follows(self) -> bool:
        return self.method == "GET" and self.peer is None and self.bounds.redirects > 0

    def redirected(self, location: str) -> "_Asked":
        """Raises RequestFailed where the redirect gives up TLS, or leads nowhere."""
        try:
            url = urljoin(self.url, location)
        except ValueError as error:
            raise RequestFailed(f"{self.host} redirects to what is no URL") from error
        if urlsplit(self.url).scheme == "https" and urlsplit(url).scheme != "https":
            raise RequestFailed(f"{self.host} redirects to where nobody proves who they are")
        bounds = replace(self.bounds, redirects=self.bounds.redirects - 1)
        target = replace(self, url=url, bounds=bounds)
        if target.host == self.host:
            return target
        # A token is for the server that it was given to.
        kept = {name: value for name, value in self.headers.items() if name.lower() != "authorization"}
        return replace(target, headers=kept)


def _failure(cause: BaseException | None, host: str) -> RequestFailed:
    if isinstance(cause, AddressForbidden):
        return ForbiddenAddress(str(cause))
    if isinstance(cause, ConnectionDone | ConnectionLost):
        return HungUp(f"{host} hung up")
    if isinstance(cause, LongAnswer):
        return AnswerTooLarge(str(cause))
    if isinstance(cause, UnusableAnswer):
        return RequestFailed(f"{host} cannot be understood: {cause}")
    # Twisted and OpenSSL have dozens of ways to say that there is no connection.
    return RequestFailed(f"{host} cannot be reached: {_told(cause)}")


def _cause(error: BaseException | None) -> BaseException | None:
    """The errors of a connection are lists of what happened first."""
    reasons = getattr(error, "reasons", None)
    if isinstance(reasons, list) and reasons and isinstance(reasons[0], Failure):
        return _cause(reasons[0].value)
    return error


def _told(error: BaseException | None) -> str:
    if isinstance(error, SSL.Error) and error.args and error.args[0]:
        # A list of (library, function, reason).
        return str(error.args[0][-1][-1])
    return str(error) or type(error).__name__


def _headers(headers: Headers) -> Mapping[str, str]:
    return {
        name.decode("latin-1").lower(): values[-1].decode("latin-1")
        for name, values in headers.getAllRawHeaders()
        if values
    }


def _read(response: Any, most: int, into: Write | None) -> Deferred[bytes]:
    """The body, of `most` bytes at most; b"" where it goes to `into`. Fails with RequestFailed."""
    reader = _BodyReader(most, into)
    if response.length is not UNKNOWN_LENGTH and response.length > most:
        reader.fail(AnswerTooLarge(f"The answer has {response.length} bytes, more than {most}"))
    response.deliverBody(reader)
    return reader.done


class _BodyReader(Protocol):
    """Takes a body as it comes. Cancelling `done` ends the connection."""

    transport: Any

    def __init__(self, most: int, into: Write | None) -> None:
        self._room = most
        self._most = most
        # It gives its bytes away at the end, where pieces would be there twice.
        self._body = BytesIO()
        self._write = into or self._body.write
        self._over = False
        self.done: Deferred[bytes] = Deferred(lambda _: self._end())

    def connectionMade(self) -> None:
        if self._over:
            self._end()

    def dataReceived(self, data: bytes) -> None:
        if self._over:
            return
        self._room -= len(data)
        if self._room < 0:
            self.fail(AnswerTooLarge(f"The answer has more than {self._most} bytes"))
            self._end()
            return
        try:
            self._write(data)
        except Exception as error:
            self.fail(error)
            self._end()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # Twisted's default is no Failure
        if self._over:
            return
        # Without a length the end of the connection is that of the body.
        if reason.check(ResponseDone, PotentialDataLoss):
            self._over = True
            body, self._body = self._body.getvalue(), BytesIO()
            self.done.callback(body)
        else:
            self.fail(RequestFailed(f"The answer ended too early: {_told(_cause(reason.value))}"))

    def fail(self, error: Exception) -> None:
        self._over = True
        self.done.errback(error)

    def _end(self) -> None:
        self._over = True
        self._body.close()
        if self.transport is not None:
            self.transport.loseConnection()
