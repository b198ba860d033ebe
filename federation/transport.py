"""Sending a request to another server: found, signed, sent, and its answer read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from config.federation import Federation
from federation.backoff import Backoff
from federation.discovery import Discovery, Route
from federation.remote_errors import remote_error
from federation.server_names import AllowedServers
from federation.x_matrix import authorization
from homeserver.http.outbound import AnswerTooLarge, Bounds, HungUp, Outbound, RequestFailed, Response, Write
from homeserver.protocol.errors import RemoteFailed, RemoteUnreachable, TooLarge
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonValue, encode_json
from homeserver.protocol.signing import EventSigner

T = TypeVar("T")

# A page of events may have a few MB: 100 events of 64 KiB.
DEFAULT_ANSWER = 16 * 1024 * 1024

Query = Mapping[str, str | int | bool | Sequence[str] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as the specification describes it; `path` comes from `path_of`.

    `query` leaves out what is None and repeats what is a list. `content` is sent as JSON. `bounds` are those of the
    whole request; None for what is usual. `into` takes the body of a success piece by piece.
    """

    method: str
    path: str
    query: Query | None = None
    content: JsonValue | None = None
    bounds: Bounds | None = None
    signed: bool = True
    into: Write | None = None
    only_if_alive: bool = True
    """False asks a server that failed lately, too: for what cannot wait and is worth the time."""
    is_brief: bool = False
    """As of `Outbound.request`: the answer is short, and the call made often."""

    @property
    def uri(self) -> str:
        query = _encoded(self.query or {})
        return f"{self.path}?{query}" if query else self.path


def path_of(template: str, *values: str) -> str:
    """The path with its parameters, `{}`, percent-encoded."""
    return template.format(*(quote(value, safe="") for value in values))


class Transport:
    """Requests from this server to others."""

    def __init__(
        self,
        signer: EventSigner,
        discovery: Discovery,
        outbound: Outbound,
        allowed: AllowedServers,
        backoff: Backoff,
        config: Federation,
    ) -> None:
        self._signer = signer
        self._discovery = discovery
        self._outbound = outbound
        self._allowed = allowed
        self._backoff = backoff
        self._bounds = Bounds(seconds=config.client_timeout.total_seconds(), body=DEFAULT_ANSWER)

    async def send(self, destination: ServerName, call: Call) -> Response:
        """An answer with a status of 2xx.

        Raises Forbidden where the operator does not let the server be spoken to, InvalidParam where it has no proper
        name, RemoteFailed where it cannot be reached, failed lately or fails now, TooLarge where its answer is above
        the bounds, and otherwise the error with which it refused.
        """
        if destination == self._signer.server_name:
            raise ValueError("a server does not federate with itself")
        self._allowed.check(destination)
        if call.only_if_alive:
            self._backoff.check(destination)
        try:
            response = await self._sent(destination, call)
        except AnswerTooLarge as error:
            raise TooLarge(f"{destination}: {error}") from error
        except RequestFailed as error:
            self._backoff.failed(destination)
            raise RemoteUnreachable(f"{destination}: {error}") from error
        except RemoteFailed:
            self._backoff.failed(destination)
            raise
        if 200 <= response.status < 300:
            self._backoff.alive(destination)
            return response
        refusal = remote_error(destination, response)
        if response.status >= 500 and isinstance(refusal, RemoteFailed):
            self._backoff.failed(destination)
        else:
            self._backoff.alive(destination)
        raise refusal

    async def ask(self, destination: ServerName, call: Call, kind: type[T]) -> T:
        """The answer as a value of `kind`, a msgspec Struct or a JSON type; raises as `send` does.

        RemoteFailed also where the answer is not of that shape.
        """
        return decoded(destination, await self.send(destination, call), kind)

    async def _sent(self, destination: ServerName, call: Call) -> Response:
        route = await self._discovery.route(destination)
        body = None if call.content is None else encode_json(call.content)
        try:
            return await self._request(destination, call, route, body)
        except HungUp:
            if call.method != "PUT":
                raise
        # The connection may have been an old one that the other side had just closed. A GET is then repeated by
        # Twisted; a PUT may be, as the same transaction sent twice counts once.
        return await self._request(destination, call, route, body)

    async def _request(
        self, destination: ServerName, call: Call, route: Route, body: bytes | None
    ) -> Response:
        return await self._outbound.request(
            call.method,
            f"https://{route.host}{call.uri}",
            purpose="federation",
            headers=self._headers(destination, call, route.host),
            body=body,
            bounds=call.bounds or self._bounds,
            peer=route.peer,
            into=call.into,
            is_brief=call.is_brief,
        )

    def _headers(self, destination: ServerName, call: Call, host: str) -> dict[str, str]:
        headers = {"Host": host}
        if call.content is not None:
            headers["Content-Type"] = "application/json"
        if call.signed:
            headers["Authorization"] = authorization(
                call.method,
                call.uri,
                self._signer.server_name,
                destination,
                self._signer.key,
                call.content,
            )
        return headers


def decoded(server_name: ServerName, response: Response, kind: type[T]) -> T:
    """Raises RemoteFailed."""
    try:
        return msgspec.json.decode(response.body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise RemoteFailed(f"{server_name} gave an answer of no use: {error}") from error


def _encoded(query: Query) -> str:
    pairs = [
        (name, _text(each))
        for name, value in query.items()
        for each in (value if isinstance(value, list | tuple) else [value])
        if each is not None
    ]
    return urlencode(pairs, quote_via=quote, safe="")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
