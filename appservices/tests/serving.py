"""A server with an application service, for tests at the wire."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

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
        path = Path(self._temporary_directory()) / "bridge.yaml"
        # JSON is YAML.
        path.write_text(json.dumps({**BRIDGE, **self.registration}))
        self.settings = [*self.settings, f"app_service_config_files=[{path}]"]  # type: ignore[misc]  # it is this test's
        super().setUp()
        self.bot = WireClient(self.site, "@bridge:test", "as_secret")

    def ghost(self, name: str) -> Ghost:
        """A registered user of the bridge."""
        body = {"type": "m.login.application_service", "username": f"_bridge_{name}", "inhibit_login": True}
        return Ghost(self.site, self.bot.post("/register", body)["user_id"], "as_secret")

    def acting_as(self, user_id: str, device_id: str = "") -> Ghost:
        return Ghost(self.site, user_id, "as_secret", device_id)
