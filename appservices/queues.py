"""All services that this server sends to."""

from twisted.internet.defer import Deferred, gatherResults

from appservices.calls import ServiceCalls, ServiceFailed
from appservices.fleeting import NOTHING_EPHEMERAL, EphemeralNews
from appservices.queue import Queue, ServiceFailure
from appservices.registering import RegisteringKind
from appservices.services import Services
from appservices.store.list_changes import delete_old_list_changes
from appservices.store.messages import delete_old_messages
from appservices.store.outbox import delete_old
from homeserver.protocol.json import JsonObject
from homeserver.runtime.clock import Clock
from homeserver.runtime.metrics import SERVICES_BEHIND, SERVICES_FAILING
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.tasks import run_in_background
from homeserver.storage.database import Database
from homeserver.streams.journal import Journal
from homeserver.streams.waiting import Waiting

_KEPT_MS = 30 * 24 * 3600 * 1000


class TransactionSender:
    """What queues need of their surroundings."""

    def __init__(self, services: Services, calls: ServiceCalls, waiting: Waiting, clock: Clock) -> None:
        self._services = services
        self._calls = calls
        self._waiting = waiting
        self._clock = clock

    async def send(self, service: str, transaction_id: int, body: JsonObject) -> None:
        """Raises ServiceFailure where the service has not got it."""
        registered = self._services.by_id(service)
        if registered is None:
            raise ServiceFailure(f"{service} is no longer registered")
        try:
            await self._calls.send_transaction(registered, transaction_id, body)
        except ServiceFailed as error:
            raise ServiceFailure(str(error)) from error

    async def pause(self, service: str, seconds: float) -> bool:
        """Waits, or until the service shows a sign of life; False where this server is stopping."""
        until = self._clock.seconds() + seconds
        is_alive = await self._waiting.until([alive_topic(service)], seconds)
        return is_alive or self._clock.seconds() >= until


def alive_topic(service: str) -> tuple[str, str]:
    """Woken when a service that may have been down asks for something."""
    return ("appservice", service)


class Queues:
    """Starts the queue of a service when there is something for it."""

    def __init__(
        self,
        services: Services,
        sender: TransactionSender,
        kind: RegisteringKind,
        journal: Journal,
        db: Database,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._services = services
        self._sender = sender
        self._kind = kind
        self._journal = journal
        self._db = db
        self._clock = clock
        self._randomness = randomness
        self._queues: dict[str, Queue] = {}
        self._runs: set[Deferred[None]] = set()
        self._is_stopping = False
        SERVICES_BEHIND.set_function(lambda: sum(one.is_running for one in self._queues.values()))
        SERVICES_FAILING.set_function(lambda: sum(one.is_failing for one in self._queues.values()))

    def start_at(self, _: int) -> None:
        """Called once the journal has started: whoever is behind then is sent what it lacks."""
        run_in_background("application services", self.register())

    async def register(self) -> None:
        """Makes the services of now known to the database, and their queues run."""
        services = self._services.all
        await self._journal.append(self._kind, services)
        known = {service.id: service for service in services}
        self._queues = {id_: queue for id_, queue in self._queues.items() if id_ in known}
        for service in services:
            self.has_news(service.id)

    def has_news(self, service_id: str, news: EphemeralNews = NOTHING_EPHEMERAL) -> None:
        """There is something for the service: in the database, or beside it."""
        service = self._services.by_id(service_id)
        if service is None or service.registration.url is None or self._is_stopping:
            return
        queue = self._queues.get(service_id)
        if queue is None:
            queue = Queue(service_id, self._services, self._sender, self._db, self._clock, self._randomness)
            self._queues[service_id] = queue
        queue.put(news)
        if queue.news():
            run = run_in_background(f"sending to the application service {service_id}", queue.run())
            self._runs.add(run)
            run.addBoth(lambda _: self._runs.discard(run))

    async def prune(self) -> None:
        """For a daily task: ends what waited for a month."""
        before_ms = self._clock.now_ms() - _KEPT_MS
        for delete in (delete_old, delete_old_messages, delete_old_list_changes):
            await self._db.write(delete, before_ms)

    async def stop(self) -> None:
        """Breaks off what is being sent; it will be sent after the next start."""
        self._is_stopping = True
        for run in list(self._runs):
            run.cancel()
        await gatherResults(list(self._runs))
