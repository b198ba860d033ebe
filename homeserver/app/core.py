"""What every part of the server is built on, and what a part adds to the whole."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from config.database import PostgresDatabase
from config.root import Config
from federation.service_records import Resolver
from homeserver.accounts.domains import LocalDomains
from homeserver.http.limits import RateLimiter
from homeserver.http.outbound import Outbound
from homeserver.http.outbound_addresses import AddressRules
from homeserver.http.outbound_peers import IDLE_PER_PEER
from homeserver.http.outbound_tls import Trust
from homeserver.protocol.identifiers import ServerName, UserID
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.tasks import Every
from homeserver.runtime.threads import Threads
from homeserver.storage.database import Database, MakeThreads
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.engine import Engine
from homeserver.storage.postgres import Postgres
from homeserver.storage.sqlite import Sqlite
from homeserver.streams.journal import Journal
from homeserver.streams.waiting import Waiting

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
    resolver: Resolver | None = None
    """Who knows SRV records; None stands for the nameservers of the machine."""


@dataclass(frozen=True, slots=True)
class Core:
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
    outbound: Outbound
    """For URLs that users or other servers named."""

    def budget(self, share: float) -> int:
        return int(self.config.caches.budget * share)


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a part of the house adds to the whole."""

    endpoints: Sequence[object] = ()
    tasks: Sequence[Every] = ()
    endings: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    """What is done last, when nobody asks any more."""
    renewals: Sequence[Callable[[], None]] = ()
    """What is read again when the operator says so (SIGHUP). Each raises ConfigError, and then changes nothing."""


def core_of(config: Config, engine: Engine, around: Surroundings) -> Core:
    clock = Clock(around.reactor)
    db = Database(engine, around.make_threads)
    waiting = Waiting(clock)
    return Core(
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
        outbound=outbound_to_anybody(config, around),
    )


def outbound_to_anybody(config: Config, around: Surroundings, idle_per_peer: int = IDLE_PER_PEER) -> Outbound:
    """For URLs that users or other servers named."""
    return Outbound(
        around.reactor,
        AddressRules(config.outbound.ip_range_blocklist, config.outbound.ip_range_allowlist),
        Trust(),
        config.outbound.user_agent_suffix,
        idle_per_peer=idle_per_peer,
    )
