"""The queue of one service: read from the database, sent in order, repeated until it is acknowledged."""

import logging
from functools import partial
from typing import Protocol

from appservices.fleeting import EphemeralNews, Fleeting, MovedReceipts
from appservices.services import Services
from appservices.store.outbox import failed, progress
from appservices.store.rooms import rooms_of_service
from appservices.transaction import Transaction, go_on, read_transaction
from homeserver.protocol.json import JsonObject
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.storage.database import Database

log = logging.getLogger(__name__)

_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 1_000, 600_000


class ServiceFailure(Exception):
    """The service has not got it."""


class Sending(Protocol):
    """What a queue needs of its surroundings. Services are named by their IDs."""

    async def send(self, service: str, transaction_id: int, body: JsonObject) -> None:
        """Raises ServiceFailure where the service has not got it."""

    async def pause(self, service: str, seconds: float) -> bool:
        """Waits, or until the service shows a sign of life; False where this server is stopping."""


class Queue:
    """It runs while there is something to send, and at most once at a time."""

    def __init__(
        self,
        service: str,
        services: Services,
        sending: Sending,
        db: Database,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._service = service
        self._services = services
        self._sending = sending
        self._db = db
        self._clock = clock
        self._randomness = randomness
        self._fleeting = Fleeting()
        self._receipts = MovedReceipts()
        self._has_news = False
        self._pause_ms = _FIRST_PAUSE_MS
        self._took_up = False
        self.is_running = False
        self.is_failing = False

    def put(self, news: EphemeralNews) -> None:
        """For the next transaction."""
        self._fleeting.put(news)
        self._receipts.add(news.receipts_in)

    def news(self) -> bool:
        """Something is new; whether `run` is now to be called."""
        self._has_news = True
        return not self.is_running

    async def run(self) -> None:
        """Sends until there is nothing more, or this server stops."""
        self.is_running = True
        try:
            if not self._took_up and not await self._take_up():
                return
            while self._has_news:
                self._has_news = False
                transaction = await self._next(None)
                while transaction is not None:
                    if not await self._deliver(transaction):
                        return
                    transaction = await self._next(transaction)
        finally:
            self.is_running = False

    async def _take_up(self) -> bool:
        """As an earlier process left it; False where this server is stopping."""
        left = await self._db.read(progress, self._service)
        self._receipts.add(await self._db.read(rooms_of_service, self._service))
        self._took_up = True
        wait_ms = 0 if left is None else (left.retry_at or 0) - self._clock.now_ms()
        return wait_ms <= 0 or await self._sending.pause(self._service, wait_ms / 1000)

    async def _next(self, had: Transaction | None) -> Transaction | None:
        """What comes after the transaction that the service just had."""
        service = self._services.by_id(self._service)
        if service is None:
            # What is left of it in the database ends with the service.
            return None
        rooms, number = self._receipts.look()
        has_fleeting = bool(self._fleeting)
        begun = await self._db.write(
            partial(go_on, has_fleeting=has_fleeting), service, None if had is None else had.upto, rooms
        )
        transaction = None
        if begun is not None:
            now_ms = self._clock.now_ms()
            fleeting = self._fleeting.take(now_ms)
            transaction = await self._db.read(read_transaction, service, rooms, fleeting, now_ms)
        if begun is None or begun.has_all:
            self._receipts.sent(number)
        return transaction

    async def _deliver(self, transaction: Transaction) -> bool:
        """Sends it until it is acknowledged; False where this server stops before."""
        while True:
            try:
                await self._sending.send(self._service, transaction.transaction_id, transaction.body)
            except ServiceFailure as error:
                log.warning("%s; it is sent transaction %d again", error, transaction.transaction_id)
                if not await self._wait_after_failure():
                    return False
            else:
                self.is_failing, self._pause_ms = False, _FIRST_PAUSE_MS
                return True

    async def _wait_after_failure(self) -> bool:
        self.is_failing = True
        now_ms = self._clock.now_ms()
        # Not all services that were down together come back to all that waits at once.
        pause_ms = int(self._pause_ms * (0.8 + 0.4 * self._randomness.fraction()))
        self._pause_ms = min(2 * self._pause_ms, _LONGEST_PAUSE_MS)
        await self._db.write(failed, self._service, now_ms, now_ms + pause_ms)
        return await self._sending.pause(self._service, pause_ms / 1000)
