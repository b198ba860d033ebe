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

import hmac
import warnings
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeVar, cast
from unittest import SkipTest

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock, StringTransportWithDisconnection
from twisted.trial.unittest import SynchronousTestCase

from config.loading import load
from federation.key_answers import KeyAnswer, publish_keys, read_key_answer
from federation.key_store import put_answers
from federation.service_records import ServiceRecord
from federation.x_matrix import authorization
from homeserver.app import Server, Surroundings, build
from homeserver.http.site import Site
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import decode_json
from homeserver.protocol.signing import EventSigner, SigningKey
from homeserver.runtime.randomness import Randomness
from homeserver.storage.engine import Engine, Transaction
from tests.client import Answer, Client, Json, Request
from tests.databases import fresh_engine
from tests.spec import check_answer, find_operation
from tests.stoppable_threads import StoppableThreads

T = TypeVar("T")
SERVER_NAME = "test"
PASSWORD = "correct horse"

LIMITS = (
    "rc_message",
    "rc_registration",
    "rc_registration_token_validity",
    "rc_login.address",
    "rc_login.account",
    "rc_login.failed_attempts",
    "rc_joins.local",
    "rc_joins_per_room",
    "rc_invites.per_issuer",
    "rc_invites.per_room",
    "rc_invites.per_user",
    "rc_room_creation",
    "rc_profile",
    "rc_presence.per_user",
    "rc_reports",
    "rc_media_create",
    "rc_user_directory",
)
NO_LIMITS = [
    *(f"{name}={{per_second: 1000000, burst_count: 1000000}}" for name in LIMITS),
    "rc_federation={concurrent: 100, sleep_limit: 1000000, reject_limit: 1000000}",
]


class FrontDoor:
    """Where clients come in. It stays the same while the server behind it is started anew."""

    def __init__(self, reactor: MemoryReactorClock) -> None:
        self._reactor = reactor

    def connect(self, transport: StringTransportWithDisconnection) -> Any:
        """The server's side of a new connection."""
        site = cast(Site, self._reactor.tcpServers[-1][1])
        channel = site.buildProtocol(None)
        # Which the transport tells when the server closes the connection.
        transport.protocol = channel
        channel.makeConnection(transport)
        return channel


class Exchange:
    """One request on a connection of its own; `answer` is None while the server has not answered."""

    def __init__(self, door: FrontDoor, request: Request) -> None:
        self._request = request
        self._transport = StringTransportWithDisconnection()
        self._answer: Answer | None = None
        self._channel = door.connect(self._transport)
        self._channel.dataReceived(_serialised(request))

    @property
    def answer(self) -> Answer | None:
        if self._answer is None:
            self._answer = _parse(self._transport.value())
            if self._answer is not None:
                # No connection is used again, and each that is open has timers.
                self.hang_up()
                _hold_against_spec(self._request, self._answer)
        return self._answer

    def hang_up(self) -> None:
        """The client goes away."""
        self._transport.loseConnection()


def _serialised(request: Request) -> bytes:
    headers = {"Host": "test", "Content-Length": str(len(request.body)), **request.headers}
    lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + request.body


def _parse(data: bytes) -> Answer | None:
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return None
    status_line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(status_line.split(" ")[1]), headers, body)


def _hold_against_spec(request: Request, answer: Answer) -> None:
    """Raises AssertionError where the specification has the operation but not such an answer.

    What is no JSON is for people, and the specification leaves it to the server.
    """
    is_json = answer.headers.get("content-type") == "application/json"
    if is_json and _spec_is_at_hand() and find_operation(request.method, request.target) is not None:
        check_answer(request.method, request.target, answer.status, answer.json)


@cache
def _spec_is_at_hand() -> bool:
    try:
        find_operation("GET", "/_matrix/client/versions")
    except SkipTest as reason:
        # Once for the whole run, and in pytest's summary.
        warnings.warn(f"answers are not held against the specification: {reason}", stacklevel=1)
        return False
    return True


class WireClient(Client):
    """A client on a connection in memory."""

    def __init__(
        self, door: FrontDoor, user_id: str = "", access_token: str = "", device_id: str = ""
    ) -> None:
        super().__init__(user_id, access_token, device_id)
        self._door = door

    def answer_to(self, request: Request) -> Answer:
        """It must come at once."""
        answer = Exchange(self._door, request).answer
        assert answer is not None, f"{request.method} {request.target} was not answered"
        return answer

    def start(self, method: str, path: str, body: Json = None, **options: Any) -> Exchange:
        """Sends a request that may be answered later; takes the arguments of `compose`."""
        return Exchange(self._door, self.compose(method, path, body, **options))

    def start_sync(self, since: str, timeout: int = 30_000, **query: Any) -> Exchange:
        """A long poll."""
        return self.start("GET", "/sync", query={"since": since, "timeout": timeout, **query})


class WireServer(WireClient):
    """Another server, which signs what it asks."""

    def __init__(self, door: FrontDoor, name: str) -> None:
        super().__init__(door)
        self.server_name = ServerName(name)
        self.key = SigningKey("1", name.encode().ljust(32, b"\0"))
        self._signer = EventSigner(self.server_name, self.key)

    def compose(self, method: str, path: str, body: Json = None, **options: Any) -> Request:
        """Takes the arguments of `Client.compose`."""
        request = super().compose(method, path, body, **options)
        try:
            content = decode_json(request.body) if request.body else None
            seal = self._seal(request, content)
        except ValueError:
            # What is not JSON, or not canonical: it is refused, whoever has signed it.
            seal = self._seal(request, None)
        return replace(request, headers={"Authorization": seal, **request.headers})

    def _seal(self, request: Request, content: Json) -> str:
        to = ServerName(SERVER_NAME)
        return authorization(request.method, request.target, self.server_name, to, self.key, content)

    def keys(self, now_ms: int) -> KeyAnswer:
        """What it publishes, valid for a week."""
        return read_key_answer(publish_keys(self._signer, {}, 2**62), now_ms)


class NoServiceRecords:
    """A domain name system in which nobody offers a service."""

    async def service(self, name: str) -> Sequence[ServiceRecord]:
        return ()


class WireTestCase(SynchronousTestCase):
    """A fresh server for each test. Subclasses may set `settings`, lines as after `-o`."""

    # `pytest -m wire` runs what depends on the database.
    pytestmark = pytest.mark.wire
    settings: ClassVar[Sequence[str]] = ()

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.reactor.advance(1_700_000_000)
        self.threads = StoppableThreads()
        # One for all servers on the database, so that none makes the same tokens as the one before.
        self.randomness = Randomness(Random(1))
        self.site = FrontDoor(self.reactor)
        self.media_store = Path(self._temporary_directory()) / "media_store"
        self.anonymous = WireClient(self.site)
        self._engine = self.new_engine()
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
                "trusted_key_servers=[]",
                "enable_registration=true",
                "enable_registration_without_verification=true",
                "room_list_publication_rules=[{action: allow}]",
                # Hashes that nobody keeps need not be hard to guess.
                "bcrypt_rounds=4",
                f"media_store_path={self.media_store}",
                "listeners=[{port: 8008, type: http, resources: [{names: [client, federation, health]}]}]",
                *NO_LIMITS,
                *self.settings,
            ],
        ).config
        around = Surroundings(
            self.reactor, lambda name, size: self.threads, self.randomness, NoServiceRecords()
        )
        self.server: Server = build(config, self._engine, SigningKey("test", b"\x01" * 32), around)
        self.result_of(self.server.start())
        self.server.listen()

    def new_engine(self) -> Engine:
        """An empty database; on PostgreSQL the run has but one."""
        return fresh_engine()

    def _temporary_directory(self) -> str:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        return directory.name

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

    def failure_of(self, work: Coroutine[Any, Any, Any], *kinds: type[Exception]) -> Any:
        return self.failureResultOf(Deferred.fromCoroutine(work), *kinds).value

    def register(self, username: str) -> WireClient:
        """A new user, registered and signed in over the wire."""
        body = {"username": username, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        return self._signed_in(self.anonymous.post("/register", body))

    def register_admin(self, username: str) -> WireClient:
        """An administrator of the server, made by those who know the shared secret."""
        path = "/_synapse/admin/v1/register"
        nonce = self.anonymous.get(path)["nonce"]
        signed = "\0".join([nonce, username, PASSWORD, "admin"])
        body = {"nonce": nonce, "username": username, "password": PASSWORD, "admin": True}
        mac = hmac.new(b"shared", signed.encode(), "sha1").hexdigest()
        return self._signed_in(self.anonymous.post(path, {**body, "mac": mac}))

    def log_in(self, user: WireClient, device_id: str) -> WireClient:
        """The user on another device."""
        identifier = {"type": "m.id.user", "user": user.user_id}
        body = {"identifier": identifier, "password": PASSWORD, "device_id": device_id}
        return self._signed_in(self.anonymous.post("/login", {"type": "m.login.password", **body}))

    def other_server(self, name: str = "remote.example") -> WireServer:
        """Another server, whose keys are known here."""
        server = WireServer(self.site, name)
        now_ms = int(self.reactor.seconds() * 1000)
        self.successResultOf(self.server.db.write(put_answers, [server.keys(now_ms)], now_ms))
        return server

    def _signed_in(self, answer: Answer) -> WireClient:
        return WireClient(self.site, answer["user_id"], answer["access_token"], answer["device_id"])

    def count(self, table: str) -> int:
        """Of its rows, to see it shrink."""

        def rows(txn: Transaction) -> int:
            row = txn.row(f"SELECT count(*) FROM {table}")
            assert row is not None, "a count is one row"
            return int(row[0])

        return self.successResultOf(self.server.db.read(rows))

    def advance(self, seconds: float) -> None:
        self.reactor.advance(seconds)


def each(check: Callable[[T], None], cases: Sequence[T]) -> None:
    """Runs `check` on each case and names the case that fails."""
    for case in cases:
        try:
            check(case)
        except AssertionError as error:
            raise AssertionError(f"for {case!r}: {error}") from error
