"""All servers that this one sends to."""

import logging
from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred, gatherResults

from federation.backoff import Backoff, alive_topic
from federation.client.events import EventCalls
from federation.outgoing.fleeting import News
from federation.outgoing.queue import Queue
from federation.outgoing.room_servers_store import delete_closed
from federation.outgoing.store import delete_had_by_all, delete_idle_destinations, delete_old, servers_behind
from federation.outgoing.transaction import Transaction
from federation.outgoing.turns import Turns
from federation.outgoing.waiting_edus import add_edus
from federation.server_names import AllowedServers
from homeserver.protocol.errors import MatrixError
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject
from homeserver.runtime.clock import Clock
from homeserver.runtime.metrics import DESTINATIONS_BEHIND, DESTINATIONS_FAILING, REFUSED_PDUS
from homeserver.runtime.tasks import run_in_background
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction as DatabaseTransaction
from homeserver.streams.journal import current_position
from homeserver.streams.waiting import Waiting

log = logging.getLogger(__name__)
_KEPT_MS = 30 * 24 * 3600 * 1000
# What refuses transactions but answers other requests is not left alone by `Backoff`.
_REFUSED_SECONDS = 60.0


class TransactionSender:
    """What queues need of federation."""

    def __init__(
        self, origin: ServerName, calls: EventCalls, backoff: Backoff, waiting: Waiting, clock: Clock
    ) -> None:
        self._origin = origin
        self._calls = calls
        self._backoff = backoff
        self._waiting = waiting
        self._clock = clock

    async def send(self, server: ServerName, transaction: Transaction) -> None:
        """Raises MatrixError where the server has not got it."""
        refused = await self._calls.send_transaction(
            server,
            transaction.transaction_id,
            transaction.origin_server_ts,
            transaction.pdus,
            transaction.edus,
            origin=self._origin,
        )
        if refused:
            # They would be refused again, so they count as sent.
            REFUSED_PDUS.inc(len(refused))
            log.warning("%s refused events: %s", server, dict(refused))

    def pause_ms(self, server: ServerName) -> int:
        """How long a server that failed is left alone."""
        return int(1000 * (self._backoff.seconds_left(server) or _REFUSED_SECONDS))

    async def pause(self, server: ServerName, at_least: float) -> bool:
        """Waits that many seconds, or until the server shows a sign of life; False where this server is stopping."""
        until = self._clock.seconds() + at_least
        is_alive = await self._waiting.until([alive_topic(server)], at_least)
        return is_alive or self._clock.seconds() >= until


class Queues:
    """Starts the queue of a server when there is something for it."""

    def __init__(
        self, sender: TransactionSender, allowed: AllowedServers, db: Database, clock: Clock
    ) -> None:
        self._sender = sender
        self._allowed = allowed
        self._db = db
        self._clock = clock
        self._turns = Turns()
        self._queues: dict[ServerName, Queue] = {}
        self._runs: set[Deferred[None]] = set()
        self._is_stopping = False
        DESTINATIONS_BEHIND.set_function(self._count_sending)
        DESTINATIONS_FAILING.set_function(self._count_failing)

    def start_at(self, _: int) -> None:
        """Called once the journal has started: whoever is behind then is sent what it lacks."""
        run_in_background("servers that are behind", self.resume())

    async def resume(self) -> None:
        """Looks for servers that are behind, of which nothing may be known here."""
        for server in await self._db.read(servers_behind):
            self._wake(server, None)

    def news_for(self, server: ServerName, position: int) -> None:
        """An event at this position is to be sent to the server."""
        self._wake(server, position)

    async def queue_edus(self, key: str, edus: Mapping[ServerName, JsonObject]) -> None:
        """Sends EDUs that must not be lost: they are stored when this returns. One with the same key waits once."""
        await self._db.write(_add_edus, key, edus, self._clock.now_ms())
        self.edus_stored(list(edus))

    def edus_stored(self, servers: Sequence[ServerName]) -> None:
        """EDUs are stored that these servers are to be sent."""
        for server in servers:
            self._wake(server, None)

    def tell(self, news: Mapping[ServerName, Sequence[News]]) -> None:
        """Sends what may be lost."""
        for server, theirs in news.items():
            queue = self._queue(server)
            if queue is not None and queue.fleeting_news(theirs):
                self._run(server, queue)

    async def prune(self) -> None:
        """For an hourly task: ends what all servers have, and what is a month old."""
        upto = await self._db.read(current_position)
        await self._db.write(_prune, upto, self._clock.now_ms() - _KEPT_MS)
        self._queues = {server: queue for server, queue in self._queues.items() if not queue.is_caught_up}
        await self.resume()

    async def stop(self) -> None:
        """Breaks off what is being sent; it will be sent after the next start."""
        self._is_stopping = True
        for run in list(self._runs):
            run.cancel()
        await gatherResults(list(self._runs))

    def _wake(self, server: ServerName, position: int | None) -> None:
        queue = self._queue(server)
        if queue is not None and queue.news(position):
            self._run(server, queue)

    def _queue(self, server: ServerName) -> Queue | None:
        """None for a server that is never spoken to."""
        try:
            self._allowed.check(server)
        except MatrixError:
            return None
        queue = self._queues.get(server)
        if queue is None:
            queue = self._queues[server] = Queue(server, self._sender, self._turns, self._db, self._clock)
        return queue

    def _run(self, server: ServerName, queue: Queue) -> None:
        if self._is_stopping:
            return
        run = run_in_background(f"sending to {server}", queue.run())
        self._runs.add(run)
        run.addBoth(lambda _: self._runs.discard(run))

    def _count_sending(self) -> float:
        return sum(queue.is_running for queue in self._queues.values())

    def _count_failing(self) -> float:
        return sum(queue.is_failing for queue in self._queues.values())


def _add_edus(txn: DatabaseTransaction, key: str, edus: Mapping[ServerName, JsonObject], now_ms: int) -> None:
    add_edus(txn, key, edus, current_position(txn), now_ms)


def _prune(txn: DatabaseTransaction, upto: int, before_ms: int) -> None:
    expired = delete_old(txn, before_ms)
    delete_closed(txn, max(expired, delete_had_by_all(txn, upto)))
    delete_idle_destinations(txn)
