"""From a request to its answer: route, requester, limit, arguments, endpoint, errors. One way for all."""

import itertools
import logging
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from config.rate_limits import RateLimit, RateLimits
from homeserver.http.endpoint import Answer, Auth, Caller, Endpoint, FileAnswer, Limit, Upload
from homeserver.http.limits import RateLimiter
from homeserver.http.origin_limits import OriginLimiter
from homeserver.http.parameters import ArgumentReader
from homeserver.http.requester import (
    NOBODY_ELSE,
    ActingAs,
    Authenticator,
    NoServers,
    Requester,
    ServerAuthenticator,
    ServerRequest,
)
from homeserver.http.router import Router
from homeserver.protocol.errors import (
    ConsentNotGiven,
    Forbidden,
    GuestAccessForbidden,
    MatrixError,
    MissingToken,
    ServerUnavailable,
    TooLarge,
    UserLocked,
    UserSuspended,
)
from homeserver.protocol.json import encode_json
from homeserver.runtime.clock import Clock
from homeserver.runtime.log_context import add_to_log_context, log_context
from homeserver.runtime.metrics import REQUEST_SECONDS, REQUESTS_IN_FLIGHT
from homeserver.storage.engine import DatabaseUnavailable

log = logging.getLogger(__name__)

NO_SERVERS = NoServers()
JSON_HEADERS = ((b"Content-Type", b"application/json"),)


@dataclass(slots=True)
class Incoming:
    """A request as the transport hands it over.

    `read_body` or `take_body` is called once, after the size was checked; who takes the body closes it.
    """

    method: str
    path: str
    query: Mapping[bytes, list[bytes]]
    address: str
    user_agent: str
    authorization: str | None
    body_length: int
    read_body: Callable[[], bytes]
    target: str = ""
    """Path and query as they were sent."""
    content_type: str | None = None
    take_body: Callable[[], BinaryIO] = BytesIO


@dataclass(slots=True)
class Rendered:
    """An answer as bytes, with the headers that are its own; `file`, where there is one, is sent instead of `body`."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = JSON_HEADERS
    file: FileAnswer | None = None


@dataclass(slots=True)
class _Prepared:
    """An endpoint with what its calls need each time."""

    endpoint: Endpoint
    arguments: ArgumentReader
    limit: RateLimit | None
    wants_caller: bool
    wants_requester: bool
    wants_origin: bool
    wants_upload: bool
    succeeded: Any


class Dispatcher:
    """Answers requests by the declared endpoints; nothing raised by an endpoint leaves it."""

    def __init__(
        self,
        router: Router,
        authenticator: Authenticator,
        limiter: RateLimiter,
        rate_limits: RateLimits,
        clock: Clock,
        servers: ServerAuthenticator = NO_SERVERS,
    ) -> None:
        self._router = router
        self._authenticator = authenticator
        self._servers = servers
        self._origin_limiter = OriginLimiter(clock, rate_limits.federation)
        self._limiter = limiter
        self._clock = clock
        self._prepared = {endpoint.name: _prepare(endpoint, rate_limits) for endpoint in router.endpoints}
        self._under_way: dict[Hashable, list[Deferred[Rendered]]] = {}
        self._request_numbers = itertools.count(1)
        self._answering = 0
        REQUESTS_IN_FLIGHT.set_function(lambda: self._answering)

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """All that can be called."""
        return self._router.endpoints

    async def answer(self, incoming: Incoming) -> Rendered:
        """Always gives an answer: errors are rendered here; what is no MatrixError is logged and told as a 500."""
        started = self._clock.seconds()
        name = "unknown"
        self._answering += 1
        with log_context(request=f"{incoming.method}-{next(self._request_numbers)}"):
            try:
                endpoint, path = self._router.find(incoming.method, incoming.path)
                name = endpoint.name
                rendered = await self._call(self._prepared[name], path, incoming)
            except MatrixError as error:
                rendered = render_error(error)
            except CancelledError:
                # The client is gone; nobody reads this answer.
                rendered = Rendered(499, b"")
            except DatabaseUnavailable as error:
                log.error("%s %s failed: %s", incoming.method, incoming.path, error)
                rendered = render_error(ServerUnavailable("The server cannot use its database at the moment"))
            except Exception:
                log.exception("%s %s failed", incoming.method, incoming.path)
                rendered = render_error(MatrixError("Internal server error"))
            finally:
                self._answering -= 1
            elapsed = self._clock.seconds() - started
            self._observe(name, rendered.status, elapsed)
            log.debug("%s %s %d %.3fs", incoming.method, incoming.path, rendered.status, elapsed)
        return rendered

    def _observe(self, name: str, status: int, elapsed: float) -> None:
        prepared = self._prepared.get(name)
        if status == 200 and prepared is not None:
            prepared.succeeded.observe(elapsed)
        else:
            REQUEST_SECONDS.labels(name, status).observe(elapsed)

    async def _call(self, prepared: _Prepared, path: dict[str, str], incoming: Incoming) -> Rendered:
        endpoint = prepared.endpoint
        if endpoint.auth is Auth.SERVER:
            return await self._call_from_server(prepared, path, incoming)
        token = access_token(incoming)
        requester = await self._requester(endpoint, token, incoming)
        limit = _limit_for(prepared, requester)
        if limit is not None:
            key = requester.user_id if requester is not None else incoming.address
            self._limiter.check(endpoint.limit.value, limit, key)
        if incoming.body_length > endpoint.max_body:
            raise TooLarge(f"The body may have {endpoint.max_body} bytes")
        body = b"" if prepared.wants_upload else incoming.read_body()
        arguments = prepared.arguments.read(path, incoming.query, body)
        if prepared.wants_upload:
            arguments["upload"] = Upload(incoming.content_type, incoming.body_length, incoming.take_body())
        if prepared.wants_requester:
            arguments["requester"] = requester
        if prepared.wants_caller:
            arguments["caller"] = Caller(incoming.address, incoming.user_agent, token)
        if endpoint.waits:
            return render(await endpoint.call(**arguments))
        scope = requester.scope if requester is not None else None
        # An object equals nothing else, so such a call shares its answer with no other.
        call = object() if endpoint.replay_by is None else (scope, incoming.method, incoming.path)
        return await self._call_once(call, lambda: endpoint.call(**arguments))

    async def _call_from_server(
        self, prepared: _Prepared, path: dict[str, str], incoming: Incoming
    ) -> Rendered:
        endpoint = prepared.endpoint
        if incoming.body_length > endpoint.max_body:
            raise TooLarge(f"The body may have {endpoint.max_body} bytes")
        body = incoming.read_body()
        origin = await self._servers.origin(
            ServerRequest(incoming.method, incoming.target, incoming.authorization, body)
        )
        add_to_log_context(origin=origin)
        arguments = prepared.arguments.read(path, incoming.query, body)
        if prepared.wants_origin:
            arguments["origin"] = origin

        async def in_turn() -> Any:
            async with self._origin_limiter.turn(origin):
                return await endpoint.call(**arguments)

        call = object() if endpoint.replay_by is None else (origin, incoming.method, incoming.path)
        return await self._call_once(call, in_turn)

    async def _requester(self, endpoint: Endpoint, token: str | None, incoming: Incoming) -> Requester | None:
        auth = endpoint.auth
        if auth is Auth.NONE or (auth is Auth.OPTIONAL and token is None):
            return None
        if token is None:
            raise MissingToken("An access token is needed: Authorization: Bearer <token>")
        requester = await self._authenticator.requester(
            token, incoming.address, incoming.user_agent, acting_as(incoming)
        )
        add_to_log_context(user=requester.user_id)
        _check_standing(requester, endpoint)
        if auth is Auth.ADMIN and not requester.is_admin:
            raise Forbidden("Only a server administrator may do this")
        if requester.is_guest and auth is Auth.USER:
            raise GuestAccessForbidden("Guests may not do this")
        return requester

    def _call_once(self, key: Hashable, start: Callable[[], Coroutine[Any, Any, Any]]) -> Deferred[Rendered]:
        """Goes on to its end although the client may go away: nothing is left half done.

        A request repeated while the first is under way gets the first one's answer. Repetitions after that are
        recognised by the feature itself, which stores the transaction ID with the effect.
        """
        answer: Deferred[Rendered] = Deferred()
        waiting = self._under_way.get(key)
        if waiting is not None:
            waiting.append(answer)
            return answer
        self._under_way[key] = [answer]
        Deferred.fromCoroutine(start()).addCallback(render).addBoth(self._ended, key)
        return answer

    def _ended(self, outcome: Rendered | Failure, key: Hashable) -> None:
        waiting = self._under_way.pop(key)
        if isinstance(outcome, Rendered):
            for answer in waiting:
                answer.callback(outcome)
            return
        if all(answer.called for answer in waiting) and not outcome.check(MatrixError):
            # Every client is gone, so nobody else will tell.
            log.error("a request failed whose client is gone", exc_info=outcome.value)
        for answer in waiting:
            answer.errback(outcome)


def _limit_for(prepared: _Prepared, requester: Requester | None) -> RateLimit | None:
    if requester is None or prepared.limit is None:
        return prepared.limit
    if not requester.is_limited:
        return None
    is_own = prepared.endpoint.limit is Limit.MESSAGES and requester.rate_limit is not None
    return requester.rate_limit if is_own else prepared.limit


def _check_standing(requester: Requester, endpoint: Endpoint) -> None:
    """https://spec.matrix.org/v1.19/client-server-api/#account-moderation"""
    if requester.is_locked and endpoint.auth is not Auth.LEAVING:
        raise UserLocked("This account has been locked", soft_logout=True)
    if requester.is_suspended and not endpoint.suspended:
        raise UserSuspended("You cannot do this while your account is suspended")
    owed = requester.owed_consent
    if owed is not None and not endpoint.suspended:
        raise ConsentNotGiven(owed.message, consent_uri=owed.consent_uri)


def _prepare(endpoint: Endpoint, rate_limits: RateLimits) -> _Prepared:
    by_bucket = endpoint.limit not in (Limit.NONE, Limit.FEDERATION)
    limit = getattr(rate_limits, endpoint.limit.value) if by_bucket else None
    return _Prepared(
        endpoint=endpoint,
        arguments=ArgumentReader(endpoint),
        limit=limit,
        wants_caller="caller" in endpoint.parameters,
        wants_requester="requester" in endpoint.parameters,
        wants_origin="origin" in endpoint.parameters,
        wants_upload="upload" in endpoint.parameters,
        succeeded=REQUEST_SECONDS.labels(endpoint.name, 200),
    )


def acting_as(incoming: Incoming) -> ActingAs:
    """https://spec.matrix.org/v1.19/application-service-api/#identity-assertion"""
    user_id = _in_query(incoming, b"user_id")
    if user_id is None:
        return NOBODY_ELSE
    device_id = _in_query(incoming, b"device_id") or _in_query(incoming, b"org.matrix.msc3202.device_id")
    return ActingAs(user_id, device_id)


def _in_query(incoming: Incoming, name: bytes) -> str | None:
    values = incoming.query.get(name)
    return values[-1].decode("utf-8", "replace") if values else None


def access_token(incoming: Incoming) -> str | None:
    """https://spec.matrix.org/v1.19/client-server-api/#using-access-tokens"""
    header = incoming.authorization
    if header is not None and header[:7].lower() == "bearer ":
        return header[7:].strip()
    return _in_query(incoming, b"access_token")


def render(result: Any) -> Rendered:
    """What an endpoint returned: an `Answer`, a `FileAnswer`, encoded JSON (`msgspec.Raw`), or a value to encode."""
    if isinstance(result, FileAnswer):
        return Rendered(200, b"", _encoded(result.headers), result)
    if isinstance(result, Answer):
        body = result.body if isinstance(result.body, bytes) else encode_json(result.body)
        headers = _encoded(result.headers)
        if not any(name.lower() == b"content-type" for name, _ in headers):
            headers += JSON_HEADERS
        return Rendered(result.status, body, headers)
    if isinstance(result, msgspec.Raw):
        return Rendered(200, bytes(result))
    return Rendered(200, encode_json(result))


def _encoded(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.encode(), value.encode()) for name, value in headers)


def render_error(error: MatrixError) -> Rendered:
    """https://spec.matrix.org/v1.19/client-server-api/#standard-error-response"""
    headers: Iterable[tuple[bytes, bytes]] = JSON_HEADERS
    retry_after_ms = error.fields.get("retry_after_ms")
    if retry_after_ms is not None:
        # Whole seconds, rounded up: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
        headers = (*JSON_HEADERS, (b"Retry-After", str(-(-int(retry_after_ms) // 1000)).encode()))
    return Rendered(error.status, encode_json(error.body()), tuple(headers))
