"""An application service that remembers what a server asks it and sends it."""

import json
import re
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from synapse_compat_tests.client import HttpClient
from synapse_compat_tests.compare import Stage
from tests.client import Request

TOKEN = "as_secret"
PATIENCE = 60.0  # seconds, on a machine that is busy with other things
_PREFIX = "/_matrix/app/v1"
PROTOCOL: Mapping[str, Any] = {
    "user_fields": ["nickname"],
    "location_fields": ["channel"],
    "icon": "mxc://localhost/icon",
    "field_types": {},
    "instances": [{"desc": "Libera", "network_id": "libera", "fields": {"network": "libera"}}],
}


class Service:
    """One for each server. As a context manager it listens."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._transactions: dict[str, Mapping[str, Any]] = {}
        self.asked: list[str] = []
        """Methods and paths of all requests but transactions."""
        self.says: dict[str, Callable[[], Any]] = {}
        """What is answered to these, by path; to others that it does not exist."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def registration(self) -> Mapping[str, Any]:
        return {
            "id": "bridge",
            "url": f"http://127.0.0.1:{self._server.server_port}",
            "as_token": TOKEN,
            "hs_token": "hs_secret",
            "sender_localpart": "bridge",
            "rate_limited": False,
            "receive_ephemeral": True,
            "org.matrix.msc3202": True,
            "protocols": ["irc"],
            "namespaces": {
                "users": [{"exclusive": True, "regex": "@_bridge_.*"}],
                "aliases": [{"exclusive": True, "regex": "#_bridge_.*"}],
                "rooms": [],
            },
        }

    def all(self, key: str) -> list[Any]:
        """What was under a key in all transactions, one after the other."""
        with self._changed:
            return [one for _, content in sorted(self._transactions.items()) for one in content.get(key, [])]

    def until(self, key: str, condition: Callable[[list[Any]], object]) -> None:
        """Waits until what was under a key fulfils a condition."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self.all(key)), PATIENCE):
                raise AssertionError(f"{key} was {self.all(key)}")

    def has(self, event_id: str) -> None:
        """Waits until the service was sent the event."""
        self.until("events", lambda events: any(event["event_id"] == event_id for event in events))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service.asked.append(f"GET {self.path}")
                says = service.says.get(self.path.removeprefix(_PREFIX))
                self._answer(*((404, {"errcode": "M_NOT_FOUND"}) if says is None else (200, says())))

            def do_POST(self) -> None:
                service.asked.append(f"POST {self.path}")
                self._body()
                self._answer(200, {})

            def do_PUT(self) -> None:
                number = re.fullmatch(_PREFIX + r"/transactions/(\d+)", self.path)
                assert number is not None, self.path
                content = json.loads(self._body())
                with service._changed:
                    service._transactions[number[1].zfill(9)] = content
                    service._changed.notify_all()
                self._answer(200, {})

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers["content-length"]))

            def _answer(self, status: int, content: Any) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """The test says what went wrong."""

        return Handler


class Ghost(HttpClient):
    """The service, acting for one of its users and perhaps a device."""

    def __init__(self, url: str, user_id: str, device_id: str = "") -> None:
        super().__init__(url, user_id, TOKEN, device_id)
        self._asserted = {"user_id": user_id} | ({"device_id": device_id} if device_id else {})

    def compose(self, method: str, path: str, body: Any = None, **options: Any) -> Request:
        """Takes the arguments of `Client.compose`."""
        options["query"] = {**dict(options.get("query") or {}), **self._asserted}
        return super().compose(method, path, body, **options)


class Bridge:
    """A service and its server, on one stage."""

    def __init__(self, stage: Stage, service: Service) -> None:
        self.stage = stage
        self.service = service
        self.bot = stage.recorded(HttpClient(stage.url, "@bridge:localhost", TOKEN))

    def register(self, name: str) -> HttpClient:
        """A user of the service, who is new in each performance."""
        body = {
            "type": "m.login.application_service",
            "username": f"_bridge_{name}{self.stage.number}",
            "inhibit_login": True,
        }
        return self.acting_as(self.bot.post("/register", body)["user_id"])

    def acting_as(self, user_id: str, device_id: str = "") -> HttpClient:
        return self.stage.recorded(Ghost(self.stage.url, user_id, device_id))


def path_of(kind: str, name: str) -> str:
    return f"/{kind}/{quote(name, safe='')}"
