"""Requests to every declared endpoint, in a room and for a user that exist."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, get_origin
from urllib.parse import quote

import msgspec

from homeserver.http.endpoint import Auth, Endpoint, Form
from tests.wire import WireClient, WireTestCase

NEEDS_TOKEN = (Auth.GUEST, Auth.USER, Auth.ADMIN, Auth.LEAVING)
_OTHER_LISTENERS = ("/metrics", "/_matrix/consent")


@dataclass(frozen=True)
class Target:
    """One path of an endpoint, with values for its parameters."""

    endpoint: Endpoint
    template: str
    values: Mapping[str, str]

    @property
    def method(self) -> str:
        return self.endpoint.method

    def path(self, **others: str) -> str:
        """With other values for some parameters; those are taken as they are, percent-encoded or not."""
        encoded = {name: quote(value, safe="") for name, value in self.values.items()}
        return self.template.format_map(_Named(encoded | others))

    def __repr__(self) -> str:
        return f"{self.method} {self.template}"

    @property
    def body(self) -> Any:
        """The type of the body; None where the endpoint reads none."""
        return self.endpoint.parameters.get("body")

    @property
    def is_form(self) -> bool:
        """Whether the body is what an HTML form sends, and the answer a page."""
        return isinstance(self.body, type) and issubclass(self.body, Form)

    def required(self) -> list[str]:
        """What the body must have."""
        if self.body is None or get_origin(self.body) is dict:
            return []
        return _required(self.body)

    def required_query(self) -> list[str]:
        """What the query must have."""
        query = self.endpoint.parameters.get("query")
        return [] if query is None or get_origin(query) is dict else _required(query)


def _required(struct: Any) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(struct) if field.required]


class TargetTestCase(WireTestCase):
    """A server, a user with a room, and all that can be asked of it."""

    # So that all that may be open to strangers is, and nothing waits for the other server, which is but a name.
    settings: ClassVar[Sequence[str]] = (
        "allow_public_rooms_without_auth=true",
        "max_upload_size=1M",
        "prevent_media_downloads_from=[remote.example]",
    )

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.register("alice")
        self.admin = self.register_admin("admin")
        self.remote = self.other_server()
        self.values = {
            "user_id": self.alice.user_id,
            "room_id": self.alice.create_room(),
            "event_type": "m.room.message",
            "receipt_type": "m.read",
            "key": "displayname",
            "device_id": self.alice.device_id,
            "server_name": self.remote.server_name,
        }
        self.values["room_id_or_alias"] = self.values["room_id"]
        self.values["event_id"] = self.alice.send(self.values["room_id"], "hello")
        self.targets = self._targets()

    def _targets(self) -> Sequence[Target]:
        # What only listeners of another kind serve cannot be reached here.
        return [
            Target(endpoint, template, self.values)
            for endpoint in self.server.dispatcher.endpoints
            for template in endpoint.paths
            if not template.endswith(_OTHER_LISTENERS)
        ]

    def newest(self) -> Sequence[Target]:
        """The first path of each endpoint; the others are its older names."""
        return [target for target in self.targets if target.template == target.endpoint.paths[0]]

    def for_caller(self, target: Target) -> WireClient:
        """Who may call it: Alice, an administrator, another server, or nobody in particular."""
        if target.endpoint.auth is Auth.SERVER:
            return self.remote
        if target.endpoint.auth is Auth.ADMIN:
            return self.admin
        return self.alice if target.endpoint.auth in NEEDS_TOKEN else self.anonymous


class _Named(dict[str, str]):
    """Parameters that name nothing in particular are all x."""

    def __missing__(self, key: str) -> str:
        return "x"
