"""What the tests' clients have in common, however they reach their server."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

Json = Any

CLIENT = "/_matrix/client/v3"


@dataclass(frozen=True)
class Answer:
    """Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def json(self) -> Json:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """Status and errcode."""
        return self.status, self.json["errcode"]

    def __getitem__(self, key: str) -> Json:
        """A field of an answer that must be a success."""
        assert self.status == 200, f"{self.status} {self.body!r}"
        return self.json[key]


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    body: bytes


class Client(ABC):
    """A client of a server: anonymous, or a user with an access token."""

    def __init__(self, user_id: str = "", access_token: str = "", device_id: str = "") -> None:
        self._transactions = 0
        self.user_id, self.access_token, self.device_id = user_id, access_token, device_id

    @abstractmethod
    def answer_to(self, request: Request) -> Answer:
        """Sends a request and waits for its answer."""

    def compose(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        query: Mapping[str, Any] | Sequence[tuple[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Request:
        """A request with this client's access token.

        `path` is below /_matrix/client/v3 unless it begins with /_ or /.; it may be percent-encoded, as it
        must be where a parameter has a slash. A body of bytes is sent as it is.
        """
        whole = path if path.startswith(("/_", "/.", "/health")) else CLIENT + path
        target = quote(whole, safe="/%!$@:#+=,*~") + (f"?{urlencode(_in_query(query))}" if query else "")
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        token = {"Authorization": f"Bearer {self.access_token}"} if self.access_token else {}
        return Request(method, target, {**token, **(headers or {})}, content)

    def request(self, method: str, path: str, body: Json = None, **options: Any) -> Answer:
        """Takes the arguments of `compose`."""
        return self.answer_to(self.compose(method, path, body, **options))

    def get(self, path: str, **query: Any) -> Answer:
        return self.request("GET", path, query=query)

    def post(self, path: str, body: Json = None) -> Answer:
        return self.request("POST", path, {} if body is None else body)

    def put(self, path: str, body: Json) -> Answer:
        return self.request("PUT", path, body)

    def delete(self, path: str, body: Json = None) -> Answer:
        return self.request("DELETE", path, body)

    def create_room(self, *, members: Sequence["Client"] = (), **wish: Json) -> str:
        """A new room in which `members` are joined."""
        invited = [member.user_id for member in members]
        body = {"preset": "private_chat", "invite": invited, **wish}
        room_id: str = self.post("/createRoom", body)["room_id"]
        for member in members:
            assert member.join(room_id).status == 200
        return room_id

    def join(self, room_id: str, **body: Json) -> Answer:
        return self.post(f"/rooms/{room_id}/join", body)

    def leave(self, room_id: str, **body: Json) -> Answer:
        return self.post(f"/rooms/{room_id}/leave", body)

    def forget(self, room_id: str) -> Answer:
        return self.post(f"/rooms/{room_id}/forget")

    def invite(self, room_id: str, user: "Client", **body: Json) -> Answer:
        return self.post(f"/rooms/{room_id}/invite", {"user_id": user.user_id, **body})

    def kick(self, room_id: str, user: "Client", **body: Json) -> Answer:
        return self.post(f"/rooms/{room_id}/kick", {"user_id": user.user_id, **body})

    def ban(self, room_id: str, user: "Client", **body: Json) -> Answer:
        return self.post(f"/rooms/{room_id}/ban", {"user_id": user.user_id, **body})

    def unban(self, room_id: str, user: "Client", **body: Json) -> Answer:
        return self.post(f"/rooms/{room_id}/unban", {"user_id": user.user_id, **body})

    def send(self, room_id: str, body: str, type_: str = "m.room.message") -> str:
        """Sends a text message and returns its event ID."""
        self._transactions += 1
        path = f"/rooms/{room_id}/send/{type_}/txn{self._transactions}"
        event_id: str = self.put(path, {"msgtype": "m.text", "body": body})["event_id"]
        return event_id

    def redact(self, room_id: str, event_id: str, **body: Json) -> Answer:
        self._transactions += 1
        return self.put(f"/rooms/{room_id}/redact/{event_id}/txn{self._transactions}", body)

    def set_state(self, room_id: str, type_: str, content: Json, state_key: str = "") -> Answer:
        return self.put(f"/rooms/{room_id}/state/{type_}/{quote(state_key, safe='')}", content)

    def state(self, room_id: str, type_: str, state_key: str = "", **query: Any) -> Answer:
        return self.get(f"/rooms/{room_id}/state/{type_}/{quote(state_key, safe='')}", **query)

    def event(self, room_id: str, event_id: str) -> Answer:
        return self.get(f"/rooms/{room_id}/event/{event_id}")

    def messages(self, room_id: str, dir: str = "b", **query: Any) -> Answer:
        """A page of the timeline; `from_` stands for the parameter `from`."""
        if "from_" in query:
            query["from"] = query.pop("from_")
        return self.get(f"/rooms/{room_id}/messages", dir=dir, **query)

    def sync(self, since: str | None = None, **query: Any) -> "SyncAnswer":
        wish = {**query, **({} if since is None else {"since": since})}
        answer = self.get("/sync", **wish)
        assert answer.status == 200, answer.body
        return SyncAnswer(answer.json)


def _in_query(
    query: Mapping[str, Any] | Sequence[tuple[str, Any]],
) -> list[tuple[str, Any]]:
    """Filters and truth values are JSON in a query too."""
    pairs = query.items() if isinstance(query, Mapping) else query
    return [(name, json.dumps(value) if isinstance(value, dict | bool) else value) for name, value in pairs]


@dataclass(frozen=True)
class SyncAnswer:
    json: Json

    @property
    def next_batch(self) -> str:
        batch: str = self.json["next_batch"]
        return batch

    def room(self, room_id: str, section: str = "join") -> Json:
        return self.json.get("rooms", {}).get(section, {}).get(room_id)

    def timeline(self, room_id: str, section: str = "join") -> list[Json]:
        room = self.room(room_id, section)
        return [] if room is None else list(room["timeline"]["events"])

    def state(self, room_id: str, section: str = "join") -> list[Json]:
        room = self.room(room_id, section)
        return [] if room is None else list(room["state"]["events"])

    def ephemeral(self, room_id: str) -> list[Json]:
        room = self.room(room_id)
        return [] if room is None else list(room["ephemeral"]["events"])
