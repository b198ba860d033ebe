"""The queue of one destination: read from the database, sent in order, repeated until it is acknowledged."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from federation.outgoing.fleeting import NOTHING, Fleeting, News
from federation.outgoing.store import delivered, destination, failed
from federation.outgoing.transaction import MOST_EDUS, Transaction, next_transaction
from federation.outgoing.turns import Turns
from homeserver.protocol.errors import MatrixError
from homeserver.protocol.identifiers import ServerName
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database

log = logging.getLogger(__name__)
# A server that was away for longer gets only the newest event of each room: it asks for the others.
_LONG_OUTAGE_MS = 3600 * 1000


class Sending(Protocol):
    """What a queue needs of federation."""

    async def send(self, server: ServerName, transaction: Transaction) -> None:
        """Raises MatrixError where the server has not got it."""

    async def pause(self, server: ServerName, at_least: float) -> bool:
        """Waits until a server that failed may be asked again; False where this server is stopping."""

    def pause_ms(self, server: ServerName) -> int:
        """How long that is going to be, at most."""


class Queue:
    """It runs while there is something to send, and at most once at a time."""

    def __init__(
        self, server: ServerName, sending: Sending, turns: Turns, db: Database, clock: Clock
    ) -> None:
        self._server = server
        self._sending = sending
        self._turns = turns
        self._db = db
        self._clock = clock
        self._has_news = False
        self._fleeting = Fleeting()
        self.is_running = False
        # Up to where everything was sent or need not be, once that is known.
        self._position: int | None = None
        self.is_caught_up = False
        self._failing_since: int | None = None
        self.is_failing = False

    def news(self, position: int | None) -> bool:
        """Something is new, an event at `position` if that is known; whether `run` is now to be called."""
        if self.is_caught_up and self._position is not None and position is not None:
            # What only others were sent since need not be looked through.
            self._position = max(self._position, position - 1)
        self.is_caught_up = False
        self._has_news = True
        return not self.is_running

    def fleeting_news(self, news: Iterable[News]) -> bool:
        """What may be lost is new; whether `run` is now to be called."""
        for one in news:
            self._fleeting.put(one)
        return not self.is_running

    async def run(self) -> None:
        """Sends until there is nothing more, or this server stops."""
        self.is_running = True
        try:
            if self._position is None and not await self._take_up():
                return
            while (transaction := await self._next()) is not None:
                if not await self._deliver(transaction):
                    return
            self.is_caught_up = True
            self._failing_since = None
        finally:
            self.is_running = False

    async def _take_up(self) -> bool:
        """As it was left, perhaps by an earlier process; False where this server is stopping."""
        stored = await self._db.read(destination, self._server)
        if stored is None:
            self._fleeting.clear()
            return False
        self._position, self._failing_since = stored.position, stored.failing_since
        wait = ((stored.retry_at or 0) - self._clock.now_ms()) / 1000
        return wait <= 0 or await self._sending.pause(self._server, wait)

    async def _next(self) -> Transaction | None:
        """What is stored, if that may have changed, and with it what is not."""
        assert self._position is not None, "it was taken up"
        transaction = None
        while self._has_news and transaction is None:
            self._has_news = False
            transaction = await self._stored()
        if transaction is not None:
            # There may be more.
            self._has_news = True
        elif self._fleeting:
            transaction = Transaction(self._clock.now_ms(), [], [], self._position, [])
        if transaction is None:
            return None
        room_left = MOST_EDUS - len(transaction.stored_edus)
        return replace(transaction, fleeting=self._fleeting.take(room_left, self._clock.now_ms()))

    async def _stored(self) -> Transaction | None:
        assert self._position is not None, "it was taken up"
        now_ms = self._clock.now_ms()
        was_long_away = self._failing_since is not None and now_ms - self._failing_since > _LONG_OUTAGE_MS
        return await self._db.read(
            next_transaction, self._server, self._position, now_ms, newest_only=was_long_away
        )

    async def _deliver(self, transaction: Transaction) -> bool:
        """Sends it until it is acknowledged; False where this server stops before."""
        while True:
            try:
                async with self._turns.turn(is_retry=self.is_failing):
                    await self._sending.send(self._server, transaction)
            except MatrixError as error:
                log.info("%s did not take a transaction: %s", self._server, error)
                # What is stored is sent again as it was, but the rest as it is by then.
                self._fleeting.give_back(transaction.fleeting)
                transaction = replace(transaction, fleeting=NOTHING)
                if not await self._wait_after_failure():
                    return False
                if not transaction.is_stored:
                    return True
            else:
                await self._acknowledged(transaction)
                return True

    async def _acknowledged(self, transaction: Transaction) -> None:
        if transaction.is_stored or self._failing_since is not None:
            await self._db.write(delivered, self._server, transaction.position, transaction.edu_nids)
        self._position = max(self._position or 0, transaction.position)
        self.is_failing = False

    async def _wait_after_failure(self) -> bool:
        now_ms = self._clock.now_ms()
        self.is_failing = True
        if self._failing_since is None:
            self._failing_since = now_ms
        pause_ms = self._sending.pause_ms(self._server)
        await self._db.write(failed, self._server, now_ms, now_ms + pause_ms)
        return await self._sending.pause(self._server, pause_ms / 1000)
