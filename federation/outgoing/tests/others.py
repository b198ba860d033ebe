"""Rooms with users of other servers, as if these had joined, and servers that note what they are sent."""

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeReactor

from config.federation import Federation
from federation.backoff import Backoff
from federation.client.events import EventCalls
from federation.outgoing.events import OutgoingEvents
from federation.outgoing.queues import Queues, TransactionSender
from federation.server_names import AllowedServers
from federation.transport import Call, Transport
from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.errors import RemoteFailed
from homeserver.protocol.identifiers import RoomID, ServerName, UserID
from homeserver.protocol.json import JsonObject, decode_json, encode_json
from homeserver.rooms.tests.process import Process, RoomsTestCase, message, state
from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.runtime.randomness import Randomness
from homeserver.storage.engine import Transaction
from homeserver.streams.waiting import Waiting
from tests.databases import fresh_engine
from tests.stoppable_threads import StoppableThreads

HERE, A, B = ServerName("test"), ServerName("a.example"), ServerName("b.example")


class Others:
    """Other servers in place of the transport, with what arrived at each.

    Those in `errors` do not take what they are sent; those in `slow` take it once they are released.
    """

    def __init__(self, backoff: Backoff) -> None:
        self.backoff = backoff
        self.arrived: list[tuple[ServerName, JsonObject]] = []
        self.attempts: list[tuple[ServerName, str, bytes]] = []
        self.errors: dict[ServerName, Exception] = {}
        self.slow: dict[ServerName, list[Deferred[None]]] = {}

    async def ask(self, destination: ServerName, call: Call, kind: Any) -> Any:
        content = encode_json(call.content)
        self.attempts.append((destination, call.path, content))
        if destination in self.slow:
            answered: Deferred[None] = Deferred()
            self.slow[destination].append(answered)
            await answered
        if destination in self.errors:
            self.backoff.failed(destination)
            raise self.errors[destination]
        self.backoff.alive(destination)
        self.arrived.append((destination, decode_json(content)))
        return kind()

    def release(self, server: ServerName) -> None:
        waiting, self.slow[server] = self.slow[server], []
        for answered in waiting:
            answered.callback(None)

    def pdus(self, server: ServerName) -> list[JsonObject]:
        return [pdu for name, content in self.arrived if name == server for pdu in content["pdus"]]

    def bodies(self, server: ServerName) -> list[str]:
        """Of the messages that arrived, in their order."""
        return [pdu["content"]["body"] for pdu in self.pdus(server) if pdu["type"] == "m.room.message"]

    def edus(self, server: ServerName) -> list[JsonObject]:
        return [edu for name, content in self.arrived if name == server for edu in content["edus"]]


class OutgoingTestCase(RoomsTestCase):
    """Alice, who is of this server, has a public room."""

    def setUp(self) -> None:
        self.engine = fresh_engine()
        self.config = Federation()
        self.reactor = FakeReactor()
        self.reactor.advance(1_700_000_000)
        self.waiting = Waiting(Clock(cast(ReactorTime, self.reactor)))
        self.begin()
        self.room_id = self.room()

    def begin(self) -> None:
        """A new process on the same database. The one before it is as if it had been killed."""
        self.outgoing = OutgoingEvents(LocalDomains(HERE), self, Clock(cast(ReactorTime, self.reactor)))
        self.house = Process(
            self.engine, lambda name, size: StoppableThreads(), before_members=[self.outgoing]
        )
        clock = self.house.clock = Clock(cast(ReactorTime, self.reactor))
        # The one before it never comes back to what it waited for.
        self.waiting.close()
        self.waiting = Waiting(clock)
        self.backoff = Backoff(self.config, clock, Randomness(), self.waiting)
        self.others = Others(self.backoff)
        self.addCleanup(self._end, self.others, self.waiting)
        sender = TransactionSender(
            HERE, EventCalls(cast(Transport, self.others)), self.backoff, self.waiting, clock
        )
        self.queues = Queues(sender, AllowedServers(self.config), self.house.db, clock)
        self.result_of(self.house.start())
        self.queues.start_at(0)

    def _end(self, others: Others, waiting: Waiting) -> None:
        waiting.close()
        for server in others.slow:
            others.errors[server] = RemoteFailed("it does not matter any more")
            others.release(server)

    def news_for(self, server: ServerName, position: int) -> None:
        self.queues.news_for(server, position)

    def room(self) -> RoomID:
        return self.result_of(self.house.create_room(preset="public_chat"))

    def member(self, user_id: str, membership: str = "join", room_id: RoomID | None = None) -> None:
        content: JsonObject = {"membership": membership}
        draft = state(room_id or self.room_id, "m.room.member", content, user_id, UserID(user_id))
        self.result_of(self.house.send(draft))

    def say(self, *bodies: str, room_id: RoomID | None = None) -> None:
        for body in bodies:
            self.result_of(self.house.send(message(room_id or self.room_id, body)))

    def count(self, table: str) -> int:
        def rows(txn: Transaction) -> int:
            row = txn.row(f"SELECT count(*) FROM {table}")
            assert row is not None, "a count is one row"
            return int(row[0])

        return self.result_of(self.house.db.read(rows))
