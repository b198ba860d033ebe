"""A server with an application service, for tests at the wire."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from homeserver.http.outbound import Outbound, Response
from homeserver.protocol.json import decode_json, encode_json
from tests.client import Request
from tests.wire import FrontDoor, WireClient, WireTestCase

BRIDGE: Mapping[str, Any] = {
    "id": "bridge",
    "url": None,
    "as_token": "as_secret",
    "hs_token": "hs_secret",
    "sender_localpart": "bridge",
    "namespaces": {
        "users": [{"exclusive": True, "regex": "@_bridge_.*"}],
        "aliases": [{"exclusive": True, "regex": "#_bridge_.*"}],
        "rooms": [],
    },
    "rate_limited": False,
}


class Ghost(WireClient):
    """A service, acting as a user and perhaps a device of its own."""

    def __init__(self, door: FrontDoor, user_id: str, token: str, device_id: str = "") -> None:
        super().__init__(door, user_id, token, device_id)
        self._asserted = {"user_id": user_id} | ({"device_id": device_id} if device_id else {})

    def compose(self, method: str, path: str, body: Any = None, **options: Any) -> Request:
        """Takes the arguments of `Client.compose`."""
        options["query"] = {**dict(options.get("query") or {}), **self._asserted}
        return super().compose(method, path, body, **options)


class ServiceTestCase(WireTestCase):
    """`registration` is what the bridge's file has besides `BRIDGE`."""

    registration: ClassVar[Mapping[str, Any]] = {}

    def setUp(self) -> None:
        self.file = Path(self._temporary_directory()) / "bridge.yaml"
        self._write({})
        self.settings = [*self.settings, f"app_service_config_files=[{self.file}]"]  # type: ignore[misc]  # it is this test's
        super().setUp()
        self.bot = WireClient(self.site, "@bridge:test", "as_secret")

    def _write(self, changes: Mapping[str, Any]) -> None:
        # JSON is YAML.
        self.file.write_text(json.dumps({**BRIDGE, **self.registration, **changes}))

    def change_registration(self, changes: Mapping[str, Any]) -> None:
        """The file is another when the server starts again."""
        self._write(changes)
        self.restart()

    def add_service(self, file: Path, **changes: Any) -> None:
        """Another one, like the bridge; the server starts again."""
        file.write_text(json.dumps({**BRIDGE, **self.registration, **changes}))
        self.settings = [f"app_service_config_files=[{self.file}, {file}]"]  # type: ignore[misc]  # it is this test's
        self.restart()

    def ghost(self, name: str) -> Ghost:
        """A registered user of the bridge."""
        body = {"type": "m.login.application_service", "username": f"_bridge_{name}", "inhibit_login": True}
        return Ghost(self.site, self.bot.post("/register", body)["user_id"], "as_secret")

    def acting_as(self, user_id: str, device_id: str = "") -> Ghost:
        return Ghost(self.site, user_id, "as_secret", device_id)


class Listener:
    """What the bridge's own server is asked, and what it says."""

    def __init__(self) -> None:
        self.transactions: list[tuple[str, Any]] = []
        """Numbers and contents, each as often as they came."""
        self.asked: list[str] = []
        self.status = 200
        self.body: bytes = b"{}"
        self.failure: Exception | None = None
        self.paths: dict[str, tuple[int, Any]] = {}
        """What it says to other requests, by path and query."""

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, **_: Any
    ) -> Response:
        """As `Outbound` does."""
        assert headers["Authorization"] == "Bearer hs_secret", headers
        path = url.removeprefix("http://bridge.example")
        self.asked.append(f"{method} {path}")
        if self.failure is not None:
            raise self.failure
        number = re.fullmatch(r"/_matrix/app/v1/transactions/(.+)", path)
        if number is not None:
            self.transactions.append((number[1], decode_json(body or b"")))
            return Response(self.status, {}, self.body)
        status, answer = self.paths.get(path, (404, {"errcode": "M_NOT_FOUND", "error": "nothing there"}))
        return Response(status, {}, encode_json(answer))

    @property
    def events(self) -> list[Any]:
        """All events of all transactions that were acknowledged, if all were."""
        return [event for _, content in self.transactions for event in content["events"]]


class ListeningTestCase(ServiceTestCase):
    """The bridge has a server."""

    registration: ClassVar[Mapping[str, Any]] = {"url": "http://bridge.example"}

    def setUp(self) -> None:
        self.listener = Listener()
        self.patch(Outbound, "request", lambda _, *args, **options: self.listener.request(*args, **options))
        super().setUp()
