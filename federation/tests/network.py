"""Whole servers of ours on one fake clock, which speak to each other without a network."""

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

from homeserver.http.outbound import Outbound, RequestFailed, Response
from homeserver.protocol.json import decode_json, encode_json
from homeserver.storage.engine import Engine
from tests.client import Request
from tests.databases import fresh_sqlite
from tests.wire import Exchange, FrontDoor, WireTestCase

_ORIGIN = re.compile(r'origin="([^"]+)"')


class Asked(NamedTuple):
    """A request that one server, `origin` if it said who it is, made of another."""

    origin: str
    method: str
    url: str


class Network:
    """Brings requests of servers to each other. Those in `down` cannot be reached.

    `lies` change answers, by what is in their paths; those of the `liar`, or of all.
    """

    def __init__(self) -> None:
        self.doors: dict[str, FrontDoor] = {}
        self.down: set[str] = set()
        self.requests: list[Asked] = []
        self.lies: dict[str, Callable[[Any], Any]] = {}
        self.liar: str | None = None

    async def request(self, method: str, url: str, **options: Any) -> Response:
        """In the place of `Outbound.request`."""
        parts = urlsplit(url)
        door = self.doors.get(parts.netloc)
        if door is None or parts.netloc in self.down or parts.path.startswith("/.well-known"):
            raise RequestFailed(f"{parts.netloc} is not there")
        origin = _ORIGIN.search(dict(options.get("headers") or {}).get("Authorization", ""))
        self.requests.append(Asked("" if origin is None else origin.group(1), method, url))
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        request = Request(method, target, dict(options.get("headers") or {}), options.get("body") or b"")
        answer = Exchange(door, request).answer
        assert answer is not None, f"{method} {url} was not answered"
        body = answer.body
        for part, lie in self.lies.items():
            if part in parts.path and answer.status == 200 and self.liar in (None, parts.netloc):
                body = encode_json(lie(decode_json(body)))
        return Response(answer.status, dict(answer.headers), body)


_UNLIMITED = (
    "rc_joins.remote={per_second: 1000000, burst_count: 1000000}",
    "rc_federation={concurrent: 100, sleep_limit: 1000000, reject_limit: 1000000}",
)


class NetworkTestCase(WireTestCase):
    """This server, named `test`, and others as they are needed, each whole."""

    settings: ClassVar[Sequence[str]] = _UNLIMITED

    def setUp(self) -> None:
        self.network = Network()
        patched = patch.object(Outbound, "request", self.network.request)
        patched.start()
        self.addCleanup(patched.stop)
        super().setUp()
        self.network.doors["test"] = self.site

    def another(self, name: str, *settings: str) -> "Neighbour":
        """One more server."""
        neighbour = Neighbour(name, *settings)
        neighbour.setUp()
        self.addCleanup(neighbour.doCleanups)
        self.network.doors[name] = neighbour.site
        return neighbour


class Neighbour(WireTestCase):
    """A server with what tests use to speak to it, but no test."""

    def __init__(self, name: str, *settings: str) -> None:
        super().__init__()
        self.settings = (f"server_name={name}", *_UNLIMITED, *settings)  # type: ignore[misc]  # each has its own

    def new_engine(self) -> Engine:
        return fresh_sqlite()

    def runTest(self) -> None:
        raise NotImplementedError
