"""What tests of pushers have in common."""

from collections.abc import Mapping
from typing import Any

from homeserver.http.outbound import Outbound, Response
from homeserver.protocol.json import decode_json
from homeserver.push.tests.unread import UnreadTestCase
from tests.client import Client, Json

URL = "https://gateway.example/_matrix/push/v1/notify"
PUSHER = {
    "kind": "http",
    "app_id": "com.example.app.ios",
    "pushkey": "KEY",
    "app_display_name": "Mat Rix",
    "device_display_name": "iPhone 9",
    "profile_tag": "xxyyzz",
    "lang": "en",
    "data": {"url": URL},
}


class Gateway:
    """What the outside is asked, and what it says."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Mapping[str, str], bytes]] = []
        self.status = 200
        self.body: bytes = b'{"rejected": []}'
        self.headers: Mapping[str, str] = {}
        self.failure: Exception | None = None

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, **_: Any
    ) -> Response:
        """As `Outbound` does."""
        self.requests.append((url, headers, body or b""))
        if self.failure is not None:
            raise self.failure
        return Response(self.status, self.headers, self.body)

    @property
    def notifications(self) -> list[Json]:
        return [decode_json(body)["notification"] for _, _, body in self.requests]

    @property
    def events(self) -> list[str]:
        """Event IDs in the order in which they came, without counts alone."""
        return [one["event_id"] for one in self.notifications if "event_id" in one]

    def forget(self) -> None:
        self.requests.clear()


class PushTestCase(UnreadTestCase):
    """Alice has a phone; Bob and Carol are in a room with her."""

    pusher: Mapping[str, Any] = PUSHER

    def setUp(self) -> None:
        self.gateway = Gateway()
        self.patch(Outbound, "request", lambda _, *args, **options: self.gateway.request(*args, **options))
        super().setUp()
        self.read(self.alice, self.say())
        self.set_pusher(self.alice)

    def set_pusher(self, user: Client, **changes: Any) -> None:
        self.assertEqual(user.post("/pushers/set", {**self.pusher, **changes}).json, {})

    def pushers(self, user: Client) -> list[str]:
        """Their keys."""
        return [pusher["pushkey"] for pusher in user.get("/pushers")["pushers"]]
