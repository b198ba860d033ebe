"""All of accounts over real routes and real SQL, in memory, on a fake clock."""

from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from random import Random
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast
from urllib.parse import parse_qs

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeReactor
from twisted.trial.unittest import SynchronousTestCase

from config.email import Addresses
from config.passwords import Passwords
from config.people import People
from config.rate_limits import RateLimit, RateLimits
from config.registration import Registration, Terms
from config.sessions import Sessions as Lifetimes
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.api.account import AccountEndpoints
from homeserver.accounts.api.devices import DeviceEndpoints
from homeserver.accounts.api.login import LoginEndpoints
from homeserver.accounts.api.profile import ProfileEndpoints
from homeserver.accounts.api.registration import RegistrationEndpoints
from homeserver.accounts.api.sessions import SessionEndpoints
from homeserver.accounts.authentication import TokenAuthenticator
from homeserver.accounts.consent import Consent
from homeserver.accounts.contacts import Contacts
from homeserver.accounts.devices import Devices, NobodyListens
from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.identity_servers import IdentityServers
from homeserver.accounts.interactive_auth import InteractiveAuth
from homeserver.accounts.last_seen import LastSeen
from homeserver.accounts.login import Login
from homeserver.accounts.login_methods import PasswordMethod
from homeserver.accounts.newcomers import Newcomers
from homeserver.accounts.password_login import PasswordLogin
from homeserver.accounts.password_reset import PasswordReset
from homeserver.accounts.passwords import PasswordHasher
from homeserver.accounts.profile_rules import ProfileRules
from homeserver.accounts.profiles import ProfileEditor, Profiles
from homeserver.accounts.reauthentication import Reauthentication
from homeserver.accounts.registration import Admission, Usernames
from homeserver.accounts.sessions import Sessions
from homeserver.accounts.stages import DummyStage
from homeserver.accounts.token_cache import TokenCache
from homeserver.accounts.validations import Validations
from homeserver.http.dispatch import Dispatcher, Incoming
from homeserver.http.endpoint import endpoints_of
from homeserver.http.limits import RateLimiter
from homeserver.http.router import Router
from homeserver.protocol.identifiers import ServerName, UserID
from homeserver.protocol.json import JsonObject, JsonValue, decode_json, encode_json
from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.threads import InlineThreads
from homeserver.storage.database import Database
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.engine import Transaction
from homeserver.storage.migrate import migrate
from homeserver.storage.sqlite import MEMORY, Sqlite

P = ParamSpec("P")
T = TypeVar("T")

CLIENT = "/_matrix/client/v3"
DOMAIN = ServerName("test")
PASSWORD = "correct horse battery staple"
ADDRESS = "192.0.2.1"

_UNLIMITED = RateLimit(per_second=1e6, burst=10**6)


class Reply(NamedTuple):
    status: int
    json: JsonValue
    headers: dict[str, str]

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.json["errcode"]


class CountingThreads(InlineThreads):
    """Counts the calls, each of which would be a hop into a thread. Answers arrive late while `slow`."""

    def __init__(self) -> None:
        self.calls = 0
        self.slow = False
        self._late: list[Callable[[], object]] = []

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        self.calls += 1
        outcome = super().run(call, *args, **kwargs)
        if not self.slow:
            return outcome
        arriving: Deferred[T] = Deferred()
        self._late.append(lambda: outcome.chainDeferred(arriving))
        return arriving

    def catch_up(self) -> None:
        self.slow = False
        late, self._late = self._late, []
        for arrive in late:
            arrive()


class NotedProfileChanges:
    """Stands for the rooms."""

    def __init__(self) -> None:
        self.changes = 0

    def profile_changed(self) -> None:
        self.changes += 1


class Strangers:
    """Nobody knows anybody."""

    async def share_a_room(self, user_nid: int, other_nid: int) -> bool:
        return False


class NoIdentityServers(IdentityServers):
    """Nobody can be asked."""

    def __init__(self) -> None:
        pass


class Silent:
    """A server without rooms to welcome anybody in."""

    async def welcome(self, user_id: UserID, *, is_guest: bool) -> None:
        pass


class AccountsTestCase(SynchronousTestCase):
    """Test classes say by class attributes how the server is configured."""

    registration = Registration(enabled=True, without_verification=True, shared_secret="the secret")
    lifetimes = Lifetimes()
    # The cheapest hashes, as tests make many.
    passwords = Passwords(bcrypt_rounds=4)
    rate_limits = RateLimits(
        registration=_UNLIMITED,
        login_per_address=_UNLIMITED,
        login_per_account=_UNLIMITED,
        login_failed_attempts=_UNLIMITED,
        profile=_UNLIMITED,
    )
    well_known: JsonObject | None = None

    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.reactor.advance(1_000_000)
        # Cast, because the interfaces in its signatures mean nothing to a type checker.
        self.clock = Clock(cast(ReactorTime, self.reactor))
        self.randomness = Randomness(Random(1))
        engine = Sqlite(MEMORY)
        migrate(engine, progress=lambda _: None)
        self.threads = CountingThreads()
        self.db = Database(engine, lambda name, size: self.threads)
        self.addCleanup(lambda: self.result_of(self.db.close()))
        self.limiter = RateLimiter(self.clock)
        self.domains = LocalDomains(DOMAIN)
        self.build()

    def build(self) -> None:
        db, cache = self.db, TokenCache()
        self.hasher = PasswordHasher(InlineThreads(), self.passwords)
        self.last_seen = LastSeen(db)
        consent = Consent(Terms(), self.domains, "https://test/", b"")
        self.authenticator = TokenAuthenticator(db, cache, self.last_seen, consent, self.clock)
        self.sessions = Sessions(db, cache, self.clock, self.randomness, self.lifetimes)
        self.devices = Devices(db, cache, self.last_seen, NobodyListens())
        self.profiles = Profiles(db, 100_000)
        self.accounts = Accounts(db, self.hasher, self.profiles, cache, NobodyListens(), self.clock)
        self.newcomers = Newcomers(self.accounts, Silent(), self.clock)
        self.usernames = Usernames(self.accounts, self.domains, self.randomness, self.registration)
        self.password_login = PasswordLogin(db, self.hasher, self.domains, self.limiter, self.rate_limits)
        self.interactive_auth = InteractiveAuth(db, self.clock, self.randomness)
        self.told = NotedProfileChanges()
        addresses = Addresses()
        validations = Validations(
            db, self.clock, self.randomness, addresses, timedelta(hours=1), "https://test/"
        )
        self.contacts = Contacts(db, validations, NoIdentityServers(), addresses, self.clock)
        self.serve(*self.endpoints())

    def endpoints(self) -> Sequence[object]:
        reauthentication = Reauthentication(
            self.interactive_auth, self.password_login, self.passwords, self.db, self.clock, timedelta(0)
        )
        policy, limits = self.passwords.policy, self.rate_limits
        methods = [PasswordMethod(self.password_login)] if self.passwords.for_login else []
        return (
            LoginEndpoints(
                Login(methods, self.sessions, self.limiter, limits.login_per_account), self.well_known
            ),
            RegistrationEndpoints(
                Admission(self.registration, self.limiter, limits.registration),
                self.usernames,
                self.interactive_auth,
                [[DummyStage()]],
                self.newcomers,
                self.sessions,
                self.authenticator,
                policy,
            ),
            SessionEndpoints(self.sessions, self.devices),
            DeviceEndpoints(self.devices, reauthentication),
            AccountEndpoints(
                self.accounts,
                self.contacts,
                reauthentication,
                PasswordReset(self.db, self.interactive_auth, None),
                policy,
            ),
            ProfileEndpoints(
                self.profiles,
                ProfileEditor(self.db, self.profiles, self.told),
                ProfileRules(People(), Dictionary(self.db, "known_user", ("user_id",), 100), Strangers()),
            ),
        )

    def serve(self, *owners: object) -> None:
        router = Router([declared for owner in owners for declared in endpoints_of(owner)])
        self._dispatcher = Dispatcher(router, self.authenticator, self.limiter, self.rate_limits, self.clock)

    def result_of(self, work: Coroutine[Any, Any, T] | Deferred[T]) -> T:
        return self.successResultOf(work if isinstance(work, Deferred) else Deferred.fromCoroutine(work))

    def failure_of(self, work: Coroutine[Any, Any, Any], *kinds: type[Exception]) -> Any:
        return self.failureResultOf(Deferred.fromCoroutine(work), *kinds).value

    def request(
        self,
        method: str,
        path: str,
        body: JsonValue | bytes = b"",
        *,
        token: str | None = None,
        address: str = ADDRESS,
    ) -> Reply:
        """`path` is below that of the client API unless it begins with `/_`; it may have a query."""
        raw = body if isinstance(body, bytes) else encode_json(body)
        path, _, query = (path if path.startswith("/_") else CLIENT + path).partition("?")
        incoming = Incoming(
            method=method,
            path=path,
            query=parse_qs(query.encode()),
            address=address,
            user_agent="test client",
            authorization=None if token is None else f"Bearer {token}",
            body_length=len(raw),
            read_body=lambda: raw,
        )
        rendered = self.result_of(self._dispatcher.answer(incoming))
        headers = {name.decode(): value.decode() for name, value in rendered.headers}
        return Reply(rendered.status, decode_json(rendered.body), headers)

    def create(self, name: str, password: str | None = PASSWORD, *, is_admin: bool = False) -> UserID:
        user_id = UserID(f"@{name}:{DOMAIN}")
        self.result_of(self.accounts.create(user_id, password, displayname=name, is_admin=is_admin))
        return user_id

    def login(self, user: str, **fields: JsonValue) -> JsonObject:
        reply = self.request("POST", "/login", password_login(user) | fields)
        self.assertEqual(reply.status, 200, reply.json)
        answer: JsonObject = reply.json
        return answer

    def count(self, table: str) -> int:
        def rows(txn: Transaction) -> int:
            row = txn.row(f"SELECT COUNT(*) FROM {table}")
            assert row is not None
            return int(row[0])

        return self.result_of(self.db.read(rows))


def password_login(user: str, password: str = PASSWORD) -> JsonObject:
    return {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": password,
    }
