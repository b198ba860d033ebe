"""The composition root: builds every object of the server, in the order of their needs, and lists what runs.

Nothing but the command line and tests imports this module. Each function below builds one part of the house and
returns it with its endpoints; no part is completed later.
"""

import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from twisted.internet.task import LoopingCall

from config.database import PostgresDatabase
from config.root import Config
from homeserver.account_data.api import AccountDataEndpoints, FilterEndpoints, TagEndpoints
from homeserver.account_data.contents import AccountData
from homeserver.account_data.filters import Filters
from homeserver.account_data.tags import Tags
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.api.account import AccountEndpoints
from homeserver.accounts.api.devices import DeviceEndpoints
from homeserver.accounts.api.login import LoginEndpoints, LoginTokenEndpoints
from homeserver.accounts.api.openid import OpenIdEndpoints
from homeserver.accounts.api.profile import ProfileEndpoints
from homeserver.accounts.api.registration import RegistrationEndpoints
from homeserver.accounts.api.sessions import SessionEndpoints
from homeserver.accounts.authentication import TokenAuthenticator
from homeserver.accounts.devices import Devices
from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.interactive_auth import InteractiveAuth
from homeserver.accounts.jwt_login import JwtUsers
from homeserver.accounts.last_seen import LastSeen
from homeserver.accounts.login import Login, LoginMethod
from homeserver.accounts.login_methods import JwtMethod, PasswordMethod, TokenMethod
from homeserver.accounts.login_tokens import LoginTokens
from homeserver.accounts.openid import OpenIdTokens
from homeserver.accounts.password_login import PasswordLogin
from homeserver.accounts.passwords import PasswordHasher
from homeserver.accounts.profiles import ProfileEditor, ProfileListener, Profiles
from homeserver.accounts.reauthentication import Reauthentication
from homeserver.accounts.registration import Admission, Usernames
from homeserver.accounts.sessions import Sessions
from homeserver.accounts.token_cache import TokenCache
from homeserver.admin.account_moderation import AccountModeration
from homeserver.admin.api.moderation import AccountModerationEndpoints
from homeserver.admin.api.registration import SharedSecretEndpoints
from homeserver.admin.shared_secret_registration import Nonces, SharedSecretRegistration
from homeserver.discovery.api import DiscoveryEndpoints
from homeserver.ephemeral.api import ReceiptEndpoints, TypingEndpoints
from homeserver.ephemeral.read_markers import ReadMarkers
from homeserver.ephemeral.receipts import Receipts
from homeserver.ephemeral.typing_notifications import Typing
from homeserver.http.dispatch import Dispatcher
from homeserver.http.endpoint import endpoints_of
from homeserver.http.limits import RateLimiter
from homeserver.http.listeners import Listeners
from homeserver.http.openapi import OpenApiEndpoints
from homeserver.http.probes import ProbeEndpoints
from homeserver.http.router import Router
from homeserver.protocol.identifiers import RoomID, ServerName, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.signing import EventSigner, SigningKey
from homeserver.reports.api import ReportEndpoints
from homeserver.reports.reports import Reporting, StoredReports
from homeserver.rooms.aliases import Aliases
from homeserver.rooms.api.creation import RoomCreationEndpoints
from homeserver.rooms.api.directory import DirectoryEndpoints
from homeserver.rooms.api.membership import MembershipEndpoints
from homeserver.rooms.api.public_rooms import PublicRoomsEndpoints
from homeserver.rooms.api.reading import RoomReadingEndpoints
from homeserver.rooms.api.related import ContextEndpoints, RelationEndpoints
from homeserver.rooms.api.sending import SendEndpoints
from homeserver.rooms.appends import RoomAppends
from homeserver.rooms.children import RelatedEvents
from homeserver.rooms.context import Contexts
from homeserver.rooms.create import CREATABLE_VERSIONS, RoomCreator
from homeserver.rooms.descriptions import Descriptions
from homeserver.rooms.directory import Directory
from homeserver.rooms.event_lookup import EventLookup
from homeserver.rooms.head import Heads
from homeserver.rooms.ingest import Ingest
from homeserver.rooms.local_state import StateSetter
from homeserver.rooms.members import Members
from homeserver.rooms.membership import MembershipChanges
from homeserver.rooms.public_rooms import PublishedRooms
from homeserver.rooms.redactions import RedactionMarks, Redactor
from homeserver.rooms.relations import Relations
from homeserver.rooms.replays import Replays
from homeserver.rooms.retention import RedactedContent
from homeserver.rooms.send import EventBuilder, EventSender
from homeserver.rooms.state import RoomStates
from homeserver.rooms.store.spans import Slot
from homeserver.rooms.store.transactions import delete_transactions
from homeserver.rooms.tails import Tails
from homeserver.rooms.timeline import Timelines
from homeserver.rooms.view import RoomViews
from homeserver.runtime.clock import Clock
from homeserver.runtime.locks import KeyedLocks
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.tasks import Every
from homeserver.runtime.tasks import start as start_task
from homeserver.runtime.threads import Threads
from homeserver.runtime.version import program_version
from homeserver.search.api.mutual_rooms import MutualRoomsEndpoints
from homeserver.search.mutual_rooms import MutualRooms
from homeserver.storage.database import Database, MakeThreads
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.engine import DatabaseUnavailable, Engine
from homeserver.storage.postgres import Postgres
from homeserver.storage.sqlite import Sqlite
from homeserver.streams.journal import Journal
from homeserver.streams.waiting import Waiting
from homeserver.sync.api import SyncEndpoints
from homeserver.sync.changes import ChangeFinder
from homeserver.sync.sync import LazyMembers, Syncer

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 10
# Shares of the one cache budget.
_HEADS, _TAILS, _MEMBERS, _LAZY_MEMBERS = 0.3, 0.3, 0.15, 0.1
_PROFILES, _FILTERS, _REPLAYS = 0.05, 0.05, 0.05
_SHORT_IDS = 50_000


def engine_of(config: Config) -> Engine:
    """The database that the operator named."""
    if isinstance(config.database, PostgresDatabase):
        return Postgres(config.database.arguments, readers=max(1, config.database.cp_max - 2))
    return Sqlite(config.database.path)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the server finds around itself. Tests bring their own."""

    reactor: Any
    """A Twisted reactor, with time and network, or a test's fake clock."""
    make_threads: MakeThreads
    randomness: Randomness


@dataclass(frozen=True, slots=True)
class _Core:
    config: Config
    clock: Clock
    around: Surroundings
    db: Database
    waiting: Waiting
    journal: Journal
    users: Dictionary[UserID]
    domains: LocalDomains
    limiter: RateLimiter
    password_threads: Threads

    def budget(self, share: float) -> int:
        return int(self.config.caches.budget * share)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a part of the house adds to the whole."""

    endpoints: Sequence[object] = ()
    tasks: Sequence[Every] = ()
    endings: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    """What is done last, when nobody asks any more."""


def build(config: Config, engine: Engine, signing_key: SigningKey, around: Surroundings) -> "Server":
    """The whole server, not yet started, on a database that is up to date."""
    core = _core(config, engine, around)
    accounts = _Accounts(core)
    rooms = _Rooms(core, accounts.profiles, signing_key)
    talk = _Talk(core, rooms)
    people = _People(core, accounts, rooms)
    parts = (_discovery(core), accounts.part(rooms.changes), rooms.part(), talk.part(), people.part())
    endpoints = [endpoint for part in parts for owner in part.endpoints for endpoint in endpoints_of(owner)]
    openapi = OpenApiEndpoints(program_version(), endpoints)
    dispatcher = Dispatcher(
        Router([*endpoints, *endpoints_of(openapi)]),
        accounts.authenticator,
        core.limiter,
        config.rate_limits,
        core.clock,
    )
    return Server(core, dispatcher, [talk.start_at, rooms.start_at], parts)


def _core(config: Config, engine: Engine, around: Surroundings) -> _Core:
    clock = Clock(around.reactor)
    db = Database(engine, around.make_threads)
    waiting = Waiting(clock)
    return _Core(
        config=config,
        clock=clock,
        around=around,
        db=db,
        waiting=waiting,
        journal=Journal(db, waiting),
        users=Dictionary(db, "known_user", ("user_id",), _SHORT_IDS),
        domains=LocalDomains(ServerName(config.server.server_name)),
        limiter=RateLimiter(clock),
        # Each hash takes tens of MB for as long as it runs, so there are never more than two.
        password_threads=around.make_threads("passwords", 2),
    )


def _discovery(core: _Core) -> _Part:
    discovery = DiscoveryEndpoints(
        server_name=core.config.server.server_name,
        base_url=core.config.server.public_baseurl,
        serve_server_wellknown=core.config.server.serve_server_wellknown,
        default_room_version=core.config.rooms.default_version,
        room_versions=CREATABLE_VERSIONS,
        switches={
            "m.change_password": core.config.passwords.for_reauth,
            "m.3pid_changes": core.config.addresses.can_change,
            "m.get_login_token": core.config.login_tokens.enabled,
        },
    )
    return _Part([discovery, ProbeEndpoints()])


class _Accounts:
    """Who may come in, and as whom."""

    def __init__(self, core: _Core) -> None:
        self._core = core
        config, db, clock, randomness = core.config, core.db, core.clock, core.around.randomness
        hasher = PasswordHasher(core.password_threads, config.passwords)
        cache = TokenCache()
        self._last_seen = LastSeen(db)
        self.authenticator = TokenAuthenticator(db, cache, self._last_seen, clock)
        self.profiles = Profiles(db, core.budget(_PROFILES))
        self.accounts = Accounts(db, hasher, self.profiles, cache, clock)
        self._sessions = Sessions(db, cache, clock, randomness, config.sessions)
        self._devices = Devices(db, cache, self._last_seen)
        self._login = PasswordLogin(db, hasher, core.domains, core.limiter, config.rate_limits)
        self._interactive_auth = InteractiveAuth(db, clock, randomness)
        self._openid = OpenIdTokens(db, clock, randomness)

    def part(self, listener: ProfileListener) -> _Part:
        """`listener` is told of every new name and picture."""
        config, randomness = self._core.config, self._core.around.randomness
        reauthentication = Reauthentication(self._interactive_auth, self._login, config.passwords)
        usernames = Usernames(self.accounts, self._core.domains, randomness)
        admission = Admission(config.registration, self._core.limiter, config.rate_limits.registration)
        nonces = Nonces(self._core.clock, randomness)
        by_secret = SharedSecretRegistration(
            config.registration.shared_secret, nonces, usernames, self.accounts
        )
        editor = ProfileEditor(self._core.db, self.profiles, listener)
        return _Part(
            [
                *self._login_endpoints(reauthentication),
                OpenIdEndpoints(self._openid),
                SessionEndpoints(self._sessions, self._devices),
                RegistrationEndpoints(
                    admission,
                    usernames,
                    self._interactive_auth,
                    self.accounts,
                    self._sessions,
                    config.passwords.policy,
                ),
                AccountEndpoints(self.accounts, reauthentication, config.passwords.policy),
                DeviceEndpoints(self._devices, reauthentication),
                ProfileEndpoints(self.profiles, editor),
                SharedSecretEndpoints(by_secret, nonces, self._sessions),
                AccountModerationEndpoints(AccountModeration(self.accounts, self._core.domains)),
            ],
            [
                Every("last seen", timedelta(minutes=2), self._last_seen.flush),
                Every("expired tokens", timedelta(hours=6), self._sessions.forget_expired),
                Every("expired short-lived tokens", timedelta(hours=1), self._openid.forget_expired),
                Every("abandoned authentication", timedelta(hours=1), self._interactive_auth.forget_expired),
            ],
            [self._last_seen.flush],
        )

    def _login_endpoints(self, reauthentication: Reauthentication) -> Sequence[object]:
        core, config = self._core, self._core.config
        methods: list[LoginMethod] = []
        if config.passwords.for_login:
            methods.append(PasswordMethod(self._login))
        tokens = None
        if config.login_tokens.enabled:
            tokens = LoginTokens(core.db, core.clock, core.around.randomness, config.login_tokens.timeout)
            methods.append(TokenMethod(tokens))
        if config.jwt.enabled:
            methods.append(JwtMethod(JwtUsers(config.jwt, self.accounts, core.domains, core.clock)))
        login = Login(methods, self._sessions, core.limiter, config.rate_limits.login_per_account)
        return [
            LoginEndpoints(login, _well_known(config)),
            LoginTokenEndpoints(tokens, reauthentication if config.login_tokens.require_ui_auth else None),
        ]


def _well_known(config: Config) -> JsonObject | None:
    base_url = config.server.public_baseurl
    return None if base_url is None else {"m.homeserver": {"base_url": base_url}}


class _Rooms:
    """The heart of the house, with what other parts ask of it."""

    def __init__(self, core: _Core, profiles: Profiles, signing_key: SigningKey) -> None:
        self._core = core
        db, clock = core.db, core.clock
        self.heads = Heads(db, core.budget(_HEADS))
        self.tails = Tails(core.budget(_TAILS))
        self.members = Members(db, core.users, self.heads, core.budget(_MEMBERS))
        self.lookup = EventLookup(self.heads, db)
        redacted = RedactedContent(db, clock, core.config.rooms.redaction_retention_period)
        self._redacted_content = redacted
        replays = Replays(db, core.budget(_REPLAYS))
        published = PublishedRooms(db)
        ingest = Ingest(
            core.journal,
            RoomAppends(
                clock,
                [
                    self.tails,
                    self.members,
                    RedactionMarks(self.heads, self.tails),
                    # After the marks, because what they say of redacted events counts.
                    Descriptions(),
                    published,
                    redacted,
                    Relations(),
                    replays,
                ],
            ),
            self.heads,
            core.users,
            Dictionary[Slot](db, "room_slot", ("type", "state_key"), _SHORT_IDS),
            Dictionary[str](db, "room_event_type", ("type",), _SHORT_IDS),
        )
        signer = EventSigner(core.domains.default, signing_key)
        builder = EventBuilder(lambda _: signer, clock)
        locks: KeyedLocks[RoomID] = KeyedLocks()
        sender = EventSender(self.heads, replays, builder, ingest, locks)
        directory = Directory(db, clock)
        aliases = Aliases(directory, sender, self.heads, core.domains, core.config.room_directory)
        self.changes = MembershipChanges(sender, self.heads, self.members, profiles, core.domains, db)
        creator = RoomCreator(
            builder,
            ingest,
            profiles,
            directory,
            aliases,
            core.domains,
            clock,
            core.around.randomness,
            core.config.rooms.default_version,
        )
        states = StateSetter(sender, aliases)
        views = RoomViews(self.heads, self.members, db)
        self._endpoints = [
            RoomCreationEndpoints(creator, self.members),
            MembershipEndpoints(self.changes, directory),
            SendEndpoints(sender, states, Redactor(sender, self.heads, db, core.users)),
            DirectoryEndpoints(aliases, directory, views, core.domains),
            PublicRoomsEndpoints(published, core.domains, core.config.room_directory),
            RoomReadingEndpoints(RoomStates(views, db), Timelines(views, core.journal, db), clock),
            RelationEndpoints(RelatedEvents(views, db), clock),
            ContextEndpoints(Contexts(views, core.journal, db), clock),
        ]

    def start_at(self, position: int) -> None:
        self.tails.start_at(position)
        self.members.start_at(position)

    def part(self) -> _Part:
        return _Part(
            self._endpoints,
            [
                Every("old transaction IDs", timedelta(hours=1), self._forget_old),
                Every("redacted content", timedelta(minutes=10), self._redacted_content.drop_old),
                Every("departures", timedelta(minutes=1), self.changes.remove_deactivated),
            ],
        )

    async def _forget_old(self) -> None:
        day_ago = self._core.clock.now_ms() - 24 * 3600 * 1000
        await self._core.db.write(delete_transactions, day_ago)


class _Talk:
    """What surrounds the rooms' events: account data, typing, receipts; and /sync, which tells of it all."""

    def __init__(self, core: _Core, rooms: _Rooms) -> None:
        self.account_data = AccountData(core.db, core.journal)
        self.receipts = Receipts(core.journal)
        self.typing = Typing(core.journal, core.clock)
        filters = Filters(core.db, core.clock, core.budget(_FILTERS))
        markers = ReadMarkers(self.receipts, self.account_data, rooms.members, rooms.lookup, core.clock)
        finder = ChangeFinder(rooms.tails, self.typing, self.receipts, self.account_data)
        syncer = Syncer(
            core.db,
            core.journal,
            core.waiting,
            rooms.members,
            rooms.tails,
            self.typing,
            finder,
            LazyMembers(core.budget(_LAZY_MEMBERS)),
            core.clock,
        )
        self._endpoints = [
            AccountDataEndpoints(self.account_data, rooms.heads),
            TagEndpoints(Tags(self.account_data), rooms.heads),
            FilterEndpoints(filters),
            TypingEndpoints(self.typing, rooms.members),
            ReceiptEndpoints(markers),
            SyncEndpoints(syncer, filters),
        ]

    def start_at(self, position: int) -> None:
        self.account_data.start_at(position)
        self.receipts.start_at(position)
        self.typing.start_at(position)

    def part(self) -> _Part:
        forgetting = Every(
            "forgotten account data", timedelta(minutes=10), self.account_data.forget_deactivated
        )
        return _Part(self._endpoints, [forgetting])


class _People:
    """How users find each other, and whom they complain to."""

    def __init__(self, core: _Core, accounts: _Accounts, rooms: _Rooms) -> None:
        self.reports = StoredReports(core.db, core.clock)
        reporting = Reporting(
            core.db,
            core.users,
            accounts.accounts,
            core.domains,
            rooms.heads,
            rooms.members,
            rooms.lookup,
            core.clock,
        )
        self._endpoints = [
            ReportEndpoints(reporting),
            MutualRoomsEndpoints(MutualRooms(rooms.members, core.users)),
        ]

    def part(self) -> _Part:
        return _Part(self._endpoints, [Every("old reports", timedelta(days=1), self.reports.forget_old)])


class Server:
    """A server that can be started and stopped once."""

    def __init__(
        self,
        core: _Core,
        dispatcher: Dispatcher,
        starts: Sequence[Callable[[int], None]],
        parts: Sequence[_Part],
    ) -> None:
        self.dispatcher = dispatcher
        self.db = core.db
        self._core = core
        self._starts = starts
        self._parts = parts
        self._running: list[LoopingCall] = []
        config = core.config
        self.listeners = Listeners(
            core.around.reactor, dispatcher, config.all_listeners, config.tls, metrics=config.metrics.enabled
        )

    async def start(self) -> None:
        """Reads where the journal stands and starts the background tasks. Listens to nobody yet."""
        await self._core.journal.start(self._starts)
        tasks = [task for part in self._parts for task in part.tasks]
        self._running = [start_task(task, self._core.clock) for task in tasks]

    def listen(self) -> None:
        """Opens the listeners. Raises ListenError, CertificateError."""
        self.listeners.open()

    async def stop(self) -> None:
        """Lets every request have its answer, long polls an early one, and closes the database."""
        await self.listeners.close()
        for task in self._running:
            task.stop()
        self._core.waiting.close()
        if not await self.listeners.drain(_DRAIN_SECONDS):
            log.warning("some requests did not end within %d seconds", _DRAIN_SECONDS)
        for part in self._parts:
            for end in part.endings:
                await _at_the_end(end)
        self._core.password_threads.stop()
        await self._core.db.close()


async def _at_the_end(store: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """What cannot be stored now is lost; the server ends nevertheless."""
    try:
        await store()
    except DatabaseUnavailable as error:
        log.error("not everything could be stored at the end: %s", error)
