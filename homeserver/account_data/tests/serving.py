"""Endpoints of single features over real routes and real SQL, in memory, on a fake clock."""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeReactor
from twisted.trial.unittest import SynchronousTestCase

from config.rate_limits import RateLimits
from homeserver.http.dispatch import Dispatcher, Incoming
from homeserver.http.endpoint import endpoints_of
from homeserver.http.limits import RateLimiter
from homeserver.http.requester import NOBODY_ELSE, ActingAs, Requester
from homeserver.http.router import Router
from homeserver.protocol.identifiers import DeviceID, UserID
from homeserver.protocol.json import JsonValue, decode_json, encode_json
from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.storage.database import Database
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.migrate import migrate
from homeserver.storage.sqlite import MEMORY, Sqlite
from homeserver.streams.journal import Journal
from homeserver.streams.waiting import Waiting

T = TypeVar("T")

ALICE, BOB = UserID("@alice:test"), UserID("@bob:test")


class Reply(NamedTuple):
    status: int
    json: JsonValue

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.json["errcode"]


class HeldThreads:
    """Runs calls at once, or, while `held`, when released; so that a test decides what is grouped."""

    def __init__(self) -> None:
        self.held = False
        self._calls: list[Callable[[], None]] = []

    def run(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> Deferred[T]:
        outcome: Deferred[Any] = Deferred()

        def run_now() -> None:
            try:
                result = call(*args, **kwargs)
            except Exception:
                outcome.errback()
            else:
                outcome.callback(result)

        if self.held:
            self._calls.append(run_now)
        else:
            run_now()
        return outcome

    def release(self) -> None:
        self.held = False
        calls, self._calls = self._calls, []
        for call in calls:
            call()

    def stop(self) -> None:
        pass


class TokenIsUserID:
    """Authenticates whoever says so."""

    def __init__(self, users: Dictionary[UserID]) -> None:
        self._users = users

    async def requester(
        self, access_token: str, address: str, user_agent: str, acting_as: ActingAs = NOBODY_ELSE
    ) -> Requester:
        user_id = UserID(access_token)
        return Requester(user_id, await self._users.nid_of(user_id), DeviceID("DEVICE"), device_nid=1)


class ServingTestCase(SynchronousTestCase):
    """A database with the schema of the program, a journal, and `request` once a test has called `serve`."""

    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.reactor.advance(1_000)
        # Cast, because the interfaces in its signatures mean nothing to a type checker.
        self.clock = Clock(cast(ReactorTime, self.reactor))
        self.threads = HeldThreads()
        engine = Sqlite(MEMORY)
        migrate(engine, progress=lambda _: None)
        self.db = Database(engine, lambda name, size: self.threads)
        self.users: Dictionary[UserID] = Dictionary(self.db, "known_user", ("user_id",), 100)
        self.waiting = Waiting(self.clock)
        self.journal = Journal(self.db, self.waiting)
        self.result_of(self.journal.start())
        self.alice, self.bob = (self.result_of(self.users.nid_of(user)) for user in (ALICE, BOB))

    def result_of(self, work: Coroutine[Any, Any, T] | Deferred[T]) -> T:
        return self.successResultOf(work if isinstance(work, Deferred) else Deferred.fromCoroutine(work))

    def waiter(self, *topics: object) -> Deferred[bool]:
        """Fires with True when one of `topics` is woken."""
        return Deferred.fromCoroutine(self.waiting.until(topics, 60))

    def serve(self, *owners: object) -> None:
        router = Router([declared for owner in owners for declared in endpoints_of(owner)])
        self._dispatcher = Dispatcher(
            router, TokenIsUserID(self.users), RateLimiter(self.clock), RateLimits(), self.clock
        )

    def request(self, user: UserID | None, method: str, path: str, body: JsonValue | bytes = b"") -> Reply:
        raw = body if isinstance(body, bytes) else encode_json(body)
        incoming = Incoming(
            method=method,
            path=f"/_matrix/client/v3{path}",
            query={},
            address="192.0.2.1",
            user_agent="",
            authorization=None if user is None else f"Bearer {user}",
            body_length=len(raw),
            read_body=lambda: raw,
        )
        rendered = self.result_of(self._dispatcher.answer(incoming))
        return Reply(rendered.status, decode_json(rendered.body))
