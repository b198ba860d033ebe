"""Events that were received and wait to be taken into their rooms, each room's one after another."""

import logging
from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.python.failure import Failure

from federation.incoming.intake import EventIntake
from federation.incoming.store import StagedEvent, delete_staged, first_staged, rooms_with_staged
from homeserver.protocol.errors import MatrixError, RemoteUnreachable
from homeserver.protocol.events import Event, parse_pdu
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.protocol.json import decode_json
from homeserver.rooms.graph.auth_graph import UnknownEvents
from homeserver.rooms.head import Heads
from homeserver.rooms.receive import EventReceiver
from homeserver.runtime.clock import Clock
from homeserver.runtime.log_context import log_context
from homeserver.storage.database import Database
from homeserver.storage.engine import DatabaseUnavailable
from homeserver.streams.journal import Position

log = logging.getLogger(__name__)

_AT_ONCE = 50
# For as long an event waits for servers that can tell what it builds on. It is tried again every minute.
_PATIENCE_MS = 3600 * 1000
_MOST_WAITING = 100


class StagedRooms:
    """One worker for each room in which something is staged. A stop or a crash loses nothing."""

    def __init__(
        self, intake: EventIntake, receiver: EventReceiver, heads: Heads, db: Database, clock: Clock
    ) -> None:
        self._intake = intake
        self._receiver = receiver
        self._heads = heads
        self._db = db
        self._clock = clock
        self._workers: dict[RoomID, Deferred[None]] = {}
        self._again: set[RoomID] = set()
        self._is_over = False

    def wake(self, room_id: RoomID) -> None:
        """To be told that something was staged in the room."""
        if self._is_over:
            return
        if room_id in self._workers:
            # The worker may have looked before it was there.
            self._again.add(room_id)
            return
        work = Deferred.fromCoroutine(self._work(room_id))
        if not work.called:
            self._workers[room_id] = work
            work.addBoth(lambda _: self._ended(room_id))

    async def wake_all(self) -> None:
        """For a task: what is left of a crash, or of a database that failed."""
        for room_id in await self._db.read(rooms_with_staged):
            self.wake(room_id)

    async def stop(self) -> None:
        """Ends the workers; what they have not done stays staged."""
        self._is_over = True
        for work in list(self._workers.values()):
            work.cancel()

    def _ended(self, room_id: RoomID) -> None:
        del self._workers[room_id]
        if room_id in self._again:
            self._again.discard(room_id)
            self.wake(room_id)

    async def _work(self, room_id: RoomID) -> None:
        with log_context(task="staged events", room=room_id):
            try:
                later: set[EventID] = set()
                while staged := await self._db.read(first_staged, room_id, _AT_ONCE, later):
                    waiting = await self._take_all(staged)
                    # More are not kept for a server that may never tell what they build on.
                    later |= set(waiting[: max(0, _MOST_WAITING - len(later))])
                    done = [one.event_id for one in staged if one.event_id not in later]
                    await self._db.write(delete_staged, room_id, done)
            except CancelledError:
                log.debug("the rest waits for the next start")
            except DatabaseUnavailable as error:
                log.error("events stay staged: %s", error)

    async def _take_all(self, staged: Sequence[StagedEvent]) -> list[EventID]:
        """In this order. Those that follow each other, as nearly all do, go to the disk together.

        Gives those that cannot be taken now, and are to be tried again.
        """
        queued: list[tuple[StagedEvent, Deferred[Position]]] = []
        later: list[StagedEvent] = []
        for one in staged:
            stored = await self._queue(one)
            if stored is not None:
                queued.append((one, stored))
                continue
            later += await self._arrived(queued)
            queued = []
            later += await self._take(one)
        later += await self._arrived(queued)
        return [one.event_id for one in later]

    async def _queue(self, staged: StagedEvent) -> Deferred[Position] | None:
        """None where there is more to be done for it."""
        try:
            return None if staged.is_here else await self._receiver.queue(await self._event(staged))
        except (CancelledError, DatabaseUnavailable):
            raise
        except Exception:
            # It is met again, and told about, when the event is taken.
            return None

    async def _arrived(
        self, queued: Sequence[tuple[StagedEvent, Deferred[Position]]]
    ) -> Sequence[StagedEvent]:
        """Waits for what is on its way to the disk; as `_take` for what does not arrive."""
        later: list[StagedEvent] = []
        outcomes = await DeferredList([stored for _, stored in queued], consumeErrors=True)
        for (one, _), (_, result) in zip(queued, outcomes, strict=True):
            outcome: object = result
            if isinstance(outcome, Failure):
                if outcome.check(CancelledError, DatabaseUnavailable):
                    outcome.raiseException()
                # The room has moved under it.
                later += await self._take(one)
        return later

    async def _take(self, staged: StagedEvent) -> Sequence[StagedEvent]:
        """Whatever is wrong with one event, those after it have their turn. Gives the event if it must wait."""
        try:
            received = await self._intake.take(await self._event(staged), staged.origin)
        except (CancelledError, DatabaseUnavailable):
            raise
        except RemoteUnreachable as error:
            # What it builds on cannot be had at the moment.
            if self._clock.now_ms() < staged.received_at + _PATIENCE_MS:
                log.info("event %s of %s waits: %s", staged.event_id, staged.origin, error)
                return [staged]
            log.info("event %s of %s is given up: %s", staged.event_id, staged.origin, error)
        except (MatrixError, UnknownEvents) as error:
            log.info("event %s of %s is given up: %s", staged.event_id, staged.origin, error)
        except Exception:
            log.exception("event %s of %s failed", staged.event_id, staged.origin)
        else:
            if received.refusal is not None:
                log.info("event %s is refused: %s", staged.event_id, received.refusal.reason)
        return ()

    async def _event(self, staged: StagedEvent) -> Event:
        """What was staged had passed the checks on its own, and was redacted if it had to be."""
        version = (await self._heads.get(staged.room_id)).version
        return parse_pdu(decode_json(staged.pdu), version)
