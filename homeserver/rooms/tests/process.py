"""The rooms of one server process, without the wire, and with a hand on its threads."""

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeReactor
from twisted.trial.unittest import SynchronousTestCase

from config.directory import RoomDirectory
from config.rate_limits import RateLimits
from homeserver.account_data.contents import AccountData
from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.identity_servers import IdentityServers
from homeserver.accounts.profiles import Profiles
from homeserver.http.limits import RateLimiter
from homeserver.protocol.identifiers import RoomID, ServerName, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.signing import EventSigner, SigningKey
from homeserver.rooms.aliases import Aliases
from homeserver.rooms.appends import Projection, RoomAppends
from homeserver.rooms.completed import CompletedRooms
from homeserver.rooms.create import CreateRoom, RoomCreator
from homeserver.rooms.directory import Directory
from homeserver.rooms.draft import Draft, Sent
from homeserver.rooms.head import Heads
from homeserver.rooms.history import History
from homeserver.rooms.ingest import Ingest
from homeserver.rooms.invited_addresses import InvitedAddresses
from homeserver.rooms.inviting import Inviting
from homeserver.rooms.members import Members
from homeserver.rooms.new_rooms import NewRooms
from homeserver.rooms.partial import PartialRooms
from homeserver.rooms.receive import EventReceiver
from homeserver.rooms.redactions import RedactionMarks, Redactor
from homeserver.rooms.rejudging import Rejudging
from homeserver.rooms.relation_rules import RelationRules
from homeserver.rooms.remote_memberships import RemoteMemberships
from homeserver.rooms.replays import Replays
from homeserver.rooms.retention import RedactedContent
from homeserver.rooms.send import EventBuilder, EventSender, RoomLocks
from homeserver.rooms.store.spans import Slot
from homeserver.rooms.tails import Tails
from homeserver.rooms.tying import BranchTying
from homeserver.rooms.verification.rebuilding import Rebuildable
from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.runtime.locks import KeyedLocks
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.threads import Threads
from homeserver.storage.database import Database, MakeThreads
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.engine import Engine
from homeserver.streams.journal import Journal
from homeserver.streams.waiting import Waiting
from tests.stoppable_threads import StoppableThreads

T = TypeVar("T")
ALICE, BOB = UserID("@alice:test"), UserID("@bob:test")
_BYTES = 1_000_000


class SteppedThreads(StoppableThreads):
    """While halted, calls can be let through one by one."""

    def step(self) -> bool:
        """Runs the call that waits longest; False if there is none. What it leads to waits in its turn."""
        if not self._halted:
            return False
        self._halted.pop(0)()
        return True


class Process:
    """What `homeserver.app` builds for rooms; several on one database are as many processes."""

    def __init__(
        self,
        engine: Engine,
        make_threads: MakeThreads,
        projections: Sequence[Projection] = (),
        before_members: Sequence[Projection] = (),
        remembering: Sequence[Projection] = (),
        rebuildables: Sequence[Rebuildable] = (),
    ) -> None:
        """`remembering` are projections that history is told to as well."""
        self._randomness = Randomness()
        # Cast, because the interfaces in its signatures mean nothing to a type checker.
        self.clock = Clock(cast(ReactorTime, FakeReactor()))
        self.engine = engine
        self.db = Database(engine, make_threads)
        waiting = Waiting(self.clock)
        self.journal = Journal(self.db, waiting)
        self.users: Dictionary[UserID] = Dictionary(self.db, "known_user", ("user_id",), 20_000)
        self.heads = Heads(self.db, _BYTES)
        self.tails = Tails(_BYTES)
        self.members = Members(self.db, self.users, self.heads, _BYTES)
        said: list[Projection] = [
            RedactionMarks(self.heads, self.tails),
            RedactedContent(self.db, self.clock, None),
            *remembering,
        ]
        replays = Replays(self.db, _BYTES)
        self.locks: RoomLocks = KeyedLocks()
        slots = Dictionary[Slot](self.db, "room_slot", ("type", "state_key"), 20_000)
        self.partial = PartialRooms(
            self.heads,
            self.users,
            slots,
            self.locks,
            waiting,
            self.db,
            self.journal,
            CompletedRooms(self.journal, self.db, self.clock),
            [*before_members, self.members],
            Rejudging(rebuildables, self.clock),
        )
        self.ingest = Ingest(
            self.journal,
            self.db,
            RoomAppends(
                self.clock,
                [self.tails, *before_members, self.members, self.partial, replays, *said, *projections],
            ),
            self.heads,
            self.users,
            slots,
            Dictionary[str](self.db, "room_event_type", ("type",), 100),
            self.clock,
        )
        signer = EventSigner(ServerName("test"), SigningKey("test", b"\x01" * 32))
        self.builder = EventBuilder(lambda _: signer, self.clock, self._randomness)
        self.sender = EventSender(
            self.heads, replays, RelationRules(self.db, self.users), self.builder, self.ingest, self.locks
        )
        self.history = History(self.heads, self.ingest, self.tails, self.db, self.locks, said)
        tying = BranchTying(self.sender, self.heads, self.db)
        self.receiver = EventReceiver(self.heads, self.ingest, tying, self.partial, self.db, self.locks)
        self.redactor = Redactor(self.sender, self.heads, self.db, self.users)

    async def start(self) -> None:
        await self.journal.start([self.tails.start_at, self.members.start_at, self.partial.start_at])

    async def create_room(self, **wish: Any) -> RoomID:
        """Alice's."""
        directory, domains = Directory(self.db, self.clock), LocalDomains(ServerName("test"))
        limiter = RateLimiter(self.clock)
        account_data, limits = AccountData(self.db, self.journal), RateLimits()
        profiles, nobody = Profiles(self.db, _BYTES), cast(IdentityServers, None)
        creator = RoomCreator(
            NewRooms(self.builder, self.ingest, self.clock, self._randomness),
            profiles,
            directory,
            Aliases(directory, self.sender, self.heads, domains, RoomDirectory()),
            Inviting(account_data, self.users, domains, limiter, limits),
            cast(RemoteMemberships, None),
            InvitedAddresses(nobody, self.heads, profiles, limiter, limits.third_party_invite, enabled=False),
            domains,
            "11",
        )
        return await creator.create(ALICE, CreateRoom(**wish))

    def send(self, draft: Draft) -> Deferred[Sent]:
        return Deferred.fromCoroutine(self.sender.send(draft))


class RoomsTestCase(SynchronousTestCase):
    """`result_of` work that ends at once."""

    def result_of(self, work: Coroutine[Any, Any, T] | Deferred[T]) -> T:
        return self.successResultOf(work if isinstance(work, Deferred) else Deferred.fromCoroutine(work))

    def process(self, engine: Engine, threads: Threads, projections: Sequence[Projection] = ()) -> Process:
        started = Process(engine, lambda name, size: threads, projections)
        self.result_of(started.start())
        self.addCleanup(lambda: self.result_of(started.db.close()))
        return started


def message(room_id: RoomID, body: str, txn_id: str | None = None, sender: UserID = ALICE) -> Draft:
    """A message; with a transaction ID it comes from the device 1."""
    content: JsonObject = {"msgtype": "m.text", "body": body}
    transaction = None if txn_id is None else (1, "send", txn_id)
    return Draft(
        room_id=room_id, type="m.room.message", sender=sender, content=content, transaction=transaction
    )


def state(room_id: RoomID, type_: str, content: JsonObject, key: str = "", sender: UserID = ALICE) -> Draft:
    return Draft(room_id=room_id, type=type_, state_key=key, sender=sender, content=content)
