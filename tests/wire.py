"""The whole server over bytes, real routes and real SQL, in memory and on a fake clock.

A test reads as request, status, JSON:

    class JoinTests(WireTestCase):
        def test_strangers_stay_out(self) -> None:
            room_id = self.register("alice").create_room()
            answer = self.register("bob").join(room_id)
            self.assertEqual(answer.error, (403, "M_FORBIDDEN"))

Every answer is held against the specification, where that is at hand (`tests.spec`). The database is SQLite
in memory, or PostgreSQL with FOLKMOOT_TEST_DATABASE=postgresql (`tests.databases`).
"""

import json
import warnings
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import Any, ClassVar, TypeVar, cast
from unittest import SkipTest
from urllib.parse import quote, urlencode

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from config.loading import load
from homeserver.app import Server, Surroundings, build
from homeserver.http.site import Site
from homeserver.protocol.signing import SigningKey
from homeserver.runtime.randomness import Randomness
from tests.databases import fresh_engine
from tests.spec import check_answer, find_operation
from tests.stoppable_threads import StoppableThreads

T = TypeVar("T")
Json = Any

CLIENT = "/_matrix/client/v3"
SERVER_NAME = "test"
PASSWORD = "correct horse"

NO_LIMITS = [
    f"{name}={{per_second: 1000000, burst_count: 1000000}}"
    for name in (
        "rc_message",
        "rc_registration",
        "rc_login.address",
        "rc_login.account",
        "rc_login.failed_attempts",
        "rc_joins.local",
        "rc_invites.per_issuer",
        "rc_room_creation",
        "rc_profile",
    )
]


@dataclass(frozen=True)
class WireAnswer:
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


class FrontDoor:
    """Where clients come in. It stays the same while the server behind it is started anew."""

    def __init__(self, reactor: MemoryReactorClock) -> None:
        self._reactor = reactor

    def connect(self, transport: StringTransport) -> Any:
        """The server's side of a new connection."""
        site = cast(Site, self._reactor.tcpServers[-1][1])
        channel = site.buildProtocol(None)
        channel.makeConnection(transport)
        return channel


class Exchange:
    """One request on a connection of its own; `answer` is None while the server has not answered."""

    def __init__(self, door: FrontDoor, method: str, target: str, request: bytes) -> None:
        self._method, self._target = method, target
        self._transport = StringTransport()
        self._answer: WireAnswer | None = None
        self._channel = door.connect(self._transport)
        self._channel.dataReceived(request)

    @property
    def answer(self) -> WireAnswer | None:
        if self._answer is None:
            self._answer = _parse(self._transport.value())
            if self._answer is not None:
                _hold_against_spec(self._method, self._target, self._answer)
        return self._answer

    def hang_up(self) -> None:
        """The client goes away."""
        self._channel.connectionLost(Failure(ConnectionDone()))


def _parse(data: bytes) -> WireAnswer | None:
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return None
    status_line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return WireAnswer(int(status_line.split(" ")[1]), headers, body)


def _hold_against_spec(method: str, target: str, answer: WireAnswer) -> None:
    """Raises AssertionError where the specification has the operation but not such an answer."""
    path = target.partition("?")[0]
    if _spec_is_at_hand() and find_operation(method, path) is not None:
        check_answer(method, path, answer.status, answer.json)


@cache
def _spec_is_at_hand() -> bool:
    try:
        find_operation("GET", "/_matrix/client/versions")
    except SkipTest as reason:
        # Once for the whole run, and in pytest's summary.
        warnings.warn(f"answers are not held against the specification: {reason}", stacklevel=1)
        return False
    return True


class WireClient:
    """A client of the server: anonymous, or a user with an access token."""

    def __init__(
        self, door: FrontDoor, user_id: str = "", access_token: str = "", device_id: str = ""
    ) -> None:
        self._door = door
        self._transactions = 0
        self.user_id, self.access_token, self.device_id = user_id, access_token, device_id

    def start(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        query: Mapping[str, Any] | Sequence[tuple[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Sends a request.

        `path` is below /_matrix/client/v3 unless it begins with /_ or /.; it may be percent-encoded, as it
        must be where a parameter has a slash. A body of bytes is sent as it is.
        """
        whole = path if path.startswith(("/_", "/.", "/health")) else CLIENT + path
        target = quote(whole, safe="/%!$@:#+=,*~") + (f"?{urlencode(_in_query(query))}" if query else "")
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {target} HTTP/1.1", "Host: test", f"Content-Length: {len(content)}"]
        if self.access_token:
            lines.append(f"Authorization: Bearer {self.access_token}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return Exchange(self._door, method, target, "\r\n".join([*lines, "", ""]).encode() + content)

    def request(self, method: str, path: str, body: Json = None, **options: Any) -> WireAnswer:
        """Sends a request that must be answered at once."""
        answer = self.start(method, path, body, **options).answer
        assert answer is not None, f"{method} {path} was not answered"
        return answer

    def get(self, path: str, **query: Any) -> WireAnswer:
        return self.request("GET", path, query=query)

    def post(self, path: str, body: Json = None) -> WireAnswer:
        return self.request("POST", path, {} if body is None else body)

    def put(self, path: str, body: Json) -> WireAnswer:
        return self.request("PUT", path, body)

    def delete(self, path: str, body: Json = None) -> WireAnswer:
        return self.request("DELETE", path, body)

    def create_room(self, *, members: Sequence["WireClient"] = (), **wish: Json) -> str:
        """A new room in which `members` are joined."""
        invited = [member.user_id for member in members]
        body = {"preset": "private_chat", "invite": invited, **wish}
        room_id: str = self.post("/createRoom", body)["room_id"]
        for member in members:
            assert member.join(room_id).status == 200
        return room_id

    def join(self, room_id: str, **body: Json) -> WireAnswer:
        return self.post(f"/rooms/{room_id}/join", body)

    def leave(self, room_id: str, **body: Json) -> WireAnswer:
        return self.post(f"/rooms/{room_id}/leave", body)

    def forget(self, room_id: str) -> WireAnswer:
        return self.post(f"/rooms/{room_id}/forget")

    def invite(self, room_id: str, user: "WireClient", **body: Json) -> WireAnswer:
        return self.post(f"/rooms/{room_id}/invite", {"user_id": user.user_id, **body})

    def kick(self, room_id: str, user: "WireClient", **body: Json) -> WireAnswer:
        return self.post(f"/rooms/{room_id}/kick", {"user_id": user.user_id, **body})

    def ban(self, room_id: str, user: "WireClient", **body: Json) -> WireAnswer:
        return self.post(f"/rooms/{room_id}/ban", {"user_id": user.user_id, **body})

    def unban(self, room_id: str, user: "WireClient", **body: Json) -> WireAnswer:
        return self.post(f"/rooms/{room_id}/unban", {"user_id": user.user_id, **body})

    def send(self, room_id: str, body: str, type_: str = "m.room.message") -> str:
        """Sends a text message and returns its event ID."""
        self._transactions += 1
        path = f"/rooms/{room_id}/send/{type_}/txn{self._transactions}"
        event_id: str = self.put(path, {"msgtype": "m.text", "body": body})["event_id"]
        return event_id

    def redact(self, room_id: str, event_id: str, **body: Json) -> WireAnswer:
        self._transactions += 1
        return self.put(f"/rooms/{room_id}/redact/{event_id}/txn{self._transactions}", body)

    def set_state(self, room_id: str, type_: str, content: Json, state_key: str = "") -> WireAnswer:
        return self.put(f"/rooms/{room_id}/state/{type_}/{quote(state_key, safe='')}", content)

    def state(self, room_id: str, type_: str, state_key: str = "", **query: Any) -> WireAnswer:
        return self.get(f"/rooms/{room_id}/state/{type_}/{quote(state_key, safe='')}", **query)

    def event(self, room_id: str, event_id: str) -> WireAnswer:
        return self.get(f"/rooms/{room_id}/event/{event_id}")

    def messages(self, room_id: str, dir: str = "b", **query: Any) -> WireAnswer:
        """A page of the timeline; `from_` stands for the parameter `from`."""
        if "from_" in query:
            query["from"] = query.pop("from_")
        return self.get(f"/rooms/{room_id}/messages", dir=dir, **query)

    def sync(self, since: str | None = None, **query: Any) -> "SyncAnswer":
        wish = {**query, **({} if since is None else {"since": since})}
        answer = self.get("/sync", **wish)
        assert answer.status == 200, answer.body
        return SyncAnswer(answer.json)

    def start_sync(self, since: str, timeout: int = 30_000, **query: Any) -> Exchange:
        """A long poll."""
        return self.start("GET", "/sync", query={"since": since, "timeout": timeout, **query})


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


class WireTestCase(SynchronousTestCase):
    """A fresh server for each test. Subclasses may set `settings`, lines as after `-o`."""

    # `pytest -m wire` runs what depends on the database.
    pytestmark = pytest.mark.wire
    settings: ClassVar[Sequence[str]] = ()

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.reactor.advance(1_700_000_000)
        self.threads = StoppableThreads()
        self.site = FrontDoor(self.reactor)
        self.anonymous = WireClient(self.site)
        self._engine = fresh_engine()
        self._start()
        self.addCleanup(self._stop)

    def _start(self) -> None:
        config = load(
            [],
            data_dir=Path("unused"),
            environ={},
            overrides=[
                f"server_name={SERVER_NAME}",
                "registration_shared_secret=shared",
                "enable_registration=true",
                "enable_registration_without_verification=true",
                # Hashes that nobody keeps need not be hard to guess.
                "bcrypt_rounds=4",
                "listeners=[{port: 8008, type: http, resources: [{names: [client, health]}]}]",
                *NO_LIMITS,
                *self.settings,
            ],
        ).config
        around = Surroundings(self.reactor, lambda name, size: self.threads, Randomness(Random(1)))
        self.server: Server = build(config, self._engine, SigningKey("test", b"\x01" * 32), around)
        self.result_of(self.server.start())
        self.server.listen()

    def _stop(self) -> None:
        stopping = Deferred.fromCoroutine(self.server.stop())
        # Whatever a test left unanswered ends when the server's patience does.
        self.reactor.pump([1.0] * 15)
        self.successResultOf(stopping)

    def restart(self) -> None:
        """Stops the server and starts another one on the same database."""
        self._stop()
        self._start()

    def result_of(self, work: Coroutine[Any, Any, T]) -> T:
        return self.successResultOf(Deferred.fromCoroutine(work))

    def register(self, username: str) -> WireClient:
        """A new user, registered and signed in over the wire."""
        body = {"username": username, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        return self._signed_in(self.anonymous.post("/register", body))

    def log_in(self, user: WireClient, device_id: str) -> WireClient:
        """The user on another device."""
        identifier = {"type": "m.id.user", "user": user.user_id}
        body = {"identifier": identifier, "password": PASSWORD, "device_id": device_id}
        return self._signed_in(self.anonymous.post("/login", {"type": "m.login.password", **body}))

    def _signed_in(self, answer: WireAnswer) -> WireClient:
        return WireClient(self.site, answer["user_id"], answer["access_token"], answer["device_id"])

    def advance(self, seconds: float) -> None:
        self.reactor.advance(seconds)


def each(check: Callable[[T], None], cases: Sequence[T]) -> None:
    """Runs `check` on each case and names the case that fails."""
    for case in cases:
        try:
            check(case)
        except AssertionError as error:
            raise AssertionError(f"for {case!r}: {error}") from error
