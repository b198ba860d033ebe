"""The whole server over bytes, real routes and real SQL, in memory and on a fake clock.

A test reads as request, status, JSON:

    class JoinTests(WireTestCase):
        def test_strangers_stay_out(self) -> None:
            room_id = self.register("alice").create_room()
            answer = self.register("bob").post(f"/rooms/{room_id}/join")
            self.assertEqual(answer.error, (403, "M_FORBIDDEN"))
"""

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar, TypeVar, cast
from urllib.parse import quote, urlencode

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from config.loading import load
from homeserver.app import Server, Surroundings, build
from homeserver.http.site import Site
from homeserver.protocol.signing import SigningKey
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.threads import InlineThreads
from homeserver.storage.engine import Engine
from homeserver.storage.migrate import migrate
from homeserver.storage.sqlite import MEMORY, Sqlite

T = TypeVar("T")
Json = Any

CLIENT = "/_matrix/client/v3"
SERVER_NAME = "test"

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

    @property
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


class Exchange:
    """One request on a connection of its own; `answer` is None while the server has not answered."""

    def __init__(self, site: Site, request: bytes) -> None:
        self._transport = StringTransport()
        self._channel = site.buildProtocol(None)
        self._channel.makeConnection(self._transport)
        self._channel.dataReceived(request)

    @property
    def answer(self) -> WireAnswer | None:
        data = self._transport.value()
        head, found, body = data.partition(b"\r\n\r\n")
        if not found:
            return None
        status_line, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return WireAnswer(int(status_line.split(" ")[1]), headers, body)

    def hang_up(self) -> None:
        """The client goes away."""
        from twisted.internet.error import ConnectionDone
        from twisted.python.failure import Failure

        self._channel.connectionLost(Failure(ConnectionDone()))


class WireClient:
    """A client of the server: anonymous, or a user with an access token."""

    def __init__(self, site: Site, user_id: str = "", access_token: str = "", device_id: str = "") -> None:
        self._site = site
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
        """Sends a request. `path` is below /_matrix/client/v3 unless it begins with /_ or /.; bytes are sent as they are."""
        whole = path if path.startswith(("/_", "/.", "/health")) else CLIENT + path
        target = quote(whole, safe="/%!$@:#+=,*~") + (f"?{urlencode(query)}" if query else "")
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {target} HTTP/1.1", "Host: test", f"Content-Length: {len(content)}"]
        if self.access_token:
            lines.append(f"Authorization: Bearer {self.access_token}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return Exchange(self._site, "\r\n".join([*lines, "", ""]).encode() + content)

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
        room_id: str = self.post("/createRoom", {"preset": "private_chat", "invite": invited, **wish})["room_id"]
        for member in members:
            assert member.post(f"/rooms/{room_id}/join").status == 200
        return room_id

    def send(self, room_id: str, body: str, type_: str = "m.room.message") -> str:
        """Sends a text message and returns its event ID."""
        self._transactions += 1
        path = f"/rooms/{room_id}/send/{type_}/txn{self._transactions}"
        event_id: str = self.put(path, {"msgtype": "m.text", "body": body})["event_id"]
        return event_id

    def sync(self, since: str | None = None, **query: Any) -> "SyncAnswer":
        wish = {**query, **({} if since is None else {"since": since})}
        answer = self.get("/sync", **wish)
        assert answer.status == 200, answer.body
        return SyncAnswer(answer.json)

    def start_sync(self, since: str, timeout: int = 30_000) -> Exchange:
        """A long poll."""
        return self.start("GET", "/sync", query={"since": since, "timeout": timeout})


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


class WireTestCase(SynchronousTestCase):
    """A fresh server for each test. Subclasses may set `settings`, lines as after `-o`."""

    settings: ClassVar[Sequence[str]] = ()

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.reactor.advance(1_700_000_000)
        config = load(
            [],
            data_dir=Path(self.mktemp()),
            environ={},
            overrides=[
                f"server_name={SERVER_NAME}",
                "registration_shared_secret=shared",
                "enable_registration=true",
                "enable_registration_without_verification=true",
                "listeners=[{port: 8008, type: http, resources: [{names: [client, health]}]}]",
                *NO_LIMITS,
                *self.settings,
            ],
        ).config
        engine = self.engine()
        migrate(engine, progress=lambda _: None)
        around = Surroundings(self.reactor, lambda name, size: InlineThreads(), Randomness(Random(1)))
        self.server: Server = build(config, engine, SigningKey("test", b"\x01" * 32), around)
        self.result_of(self.server.start())
        self.server.listen()
        self.site = cast(Site, self.reactor.tcpServers[0][1])
        self.addCleanup(self._stop)
        self.anonymous = WireClient(self.site)

    def engine(self) -> Engine:
        return Sqlite(MEMORY)

    def _stop(self) -> None:
        stopping = Deferred.fromCoroutine(self.server.stop())
        # Whatever a test left unanswered ends when the server's patience does.
        self.reactor.pump([1.0] * 15)
        self.successResultOf(stopping)

    def result_of(self, work: Coroutine[Any, Any, T]) -> T:
        return cast(T, self.successResultOf(Deferred.fromCoroutine(work)))

    def register(self, username: str) -> WireClient:
        """A new user, registered and signed in over the wire."""
        body = {"username": username, "password": "correct horse", "auth": {"type": "m.login.dummy"}}
        answer = self.anonymous.post("/register", body)
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
