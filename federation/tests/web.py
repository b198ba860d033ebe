"""Another server at the end of a transport, without the network between: what it is sent, and what it says."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from twisted.internet.task import Clock as FakeReactor

from config.federation import Federation
from federation.backoff import Backoff
from federation.discovery import Discovery, Route
from federation.server_names import AllowedServers
from federation.tests.peers import identity
from federation.transport import Transport
from homeserver.http.outbound import Bounds, Outbound, Response
from homeserver.http.outbound_peers import Peer
from homeserver.protocol.errors import RemoteFailed
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonValue, decode_json, encode_json
from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.runtime.randomness import Randomness
from homeserver.streams.waiting import Waiting

OWN = identity("own.example")
REMOTE = ServerName("remote.example")


class Sent:
    """One request as it would go out."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.content: JsonValue = None if body is None else decode_json(body)

    @property
    def uri(self) -> str:
        parts = urlsplit(self.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.url).query)


class Web:
    """Every server is at one place; `answers` are given in turn, the last one again and again."""

    def __init__(self, config: Federation | None = None) -> None:
        self.config = config or Federation(destination_min_retry_interval=timedelta(minutes=1))
        self.reactor = FakeReactor()
        clock = Clock(cast(ReactorTime, self.reactor))
        self.backoff = Backoff(self.config, clock, Randomness(Random(1)), Waiting(clock))
        self.sent: list[Sent] = []
        self.bounds: list[Bounds] = []
        self.answers: list[Response | Exception] = []
        self.outbound = cast(Outbound, self)
        self.transport = Transport(
            OWN,
            cast(Discovery, self),
            self.outbound,
            AllowedServers(self.config),
            self.backoff,
            self.config,
        )

    def says(self, answer: JsonValue, status: int = 200) -> None:
        self.answers = [Response(status, {}, encode_json(answer))]

    async def route(self, server_name: ServerName) -> Route:
        """As `Discovery` does."""
        if server_name == "lost.example":
            raise RemoteFailed("no such server")
        return Route(Peer(((f"at.{server_name}", 443),), server_name), f"host.{server_name}")

    async def request(self, method: str, url: str, **options: Any) -> Response:
        """As `Outbound` does."""
        self.sent.append(Sent(method, url, options.get("headers", {}), options.get("body")))
        self.bounds.append(options["bounds"])
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        into: Callable[[bytes], object] | None = options.get("into")
        if into is None or answer.status != 200:
            return answer
        into(answer.body)
        return Response(answer.status, answer.headers)
