"""Events that were received and wait to be taken into their rooms.

Those of a room are taken one after another, in the order in which they came, as long as what they build on is here.
One that builds on something else steps aside while its server is asked. That may take long, and the servers that lie
see to it, so only what the same server sent waits for it.
"""

import logging
from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.python.failure import Failure

from federation.incoming.intake import EventIntake
from federation.incoming.store import StagedEvent, delete_staged, first_staged, rooms_with_staged
from homeserver.protocol.errors import MatrixError, RemoteUnreachable
from homeserver.protocol.events import Event, parse_pdu
from homeserver.protocol.identifiers import EventID, RoomID, ServerName
from homeserver.protocol.json import decode_json
from homeserver.rooms.graph.auth_graph import UnknownEvents
from homeserver.rooms.head import Heads
from homeserver.rooms.receive import EventReceiver, Received
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
_MOST_ASKED = 20
"""Servers of one room that are asked at the same time."""


class _Room:
    """What is going on in a room: the servers that are asked, and the events that wait for the next try."""

    def __init__(self) -> None:
        self.asked: dict[ServerName, Deferred[None]] = {}
        self.waiting: set[EventID] = set()
        self.worker: Deferred[None] | None = None
        self.is_woken = False


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
        self._rooms: dict[RoomID, _Room] = {}
        self._is_over = False

    def wake(self, room_id: RoomID) -> None:
        """To be told that something was staged in the room."""
        room = self._rooms.setdefault(room_id, _Room())
        room.waiting.clear()
        self._go_on(room_id, room)

    async def wake_all(self) -> None:
        """For a task: what is left of a crash, or of a database that failed."""
        for room_id in await self._db.read(rooms_with_staged):
            self.wake(room_id)

    async def stop(self) -> None:
        """Ends the workers; what they have not done stays staged."""
        self._is_over = True
        for room in list(self._rooms.values()):
            for work in [*room.asked.values(), *([room.worker] if room.worker else [])]:
                work.cancel()

    def _go_on(self, room_id: RoomID, room: _Room) -> None:
        # The worker may have looked before it was there.
        room.is_woken = True
        if room.worker is None and not self._is_over:
            work = Deferred.fromCoroutine(self._work(room_id, room))
            if not work.called:
                room.worker = work
            work.addBoth(lambda _: self._ended(room_id, room))

    def _ended(self, room_id: RoomID, room: _Room) -> None:
        room.worker = None
        if room.is_woken:
            self._go_on(room_id, room)
        elif not room.asked:
            self._rooms.pop(room_id, None)

    async def _work(self, room_id: RoomID, room: _Room) -> None:
        room.is_woken = False
        with log_context(task="staged events", room=room_id):
            try:
                while len(room.asked) < _MOST_ASKED and (staged := await self._next(room_id, room)):
                    await self._take_all(room, staged)
            except CancelledError:
                log.debug("the rest waits for the next start")
            except DatabaseUnavailable as error:
                log.error("events stay staged: %s", error)

    async def _next(self, room_id: RoomID, room: _Room) -> Sequence[StagedEvent]:
        """Those that have waited longest, but for those that wait for something."""
        return await self._db.read(first_staged, room_id, _AT_ONCE, room.waiting, list(room.asked))

    async def _take_all(self, room: _Room, staged: Sequence[StagedEvent]) -> None:
        """In this order. Those that follow each other, as nearly all do, go to the disk together."""
        queued: list[tuple[StagedEvent, Deferred[Position]]] = []
        done: list[EventID] = []
        for one in staged:
            if one.origin in room.asked or len(room.asked) >= _MOST_ASKED:
                continue
            stored = await self._queue(one)
            if stored is not None:
                queued.append((one, stored))
                continue
            done += await self._arrived(room, queued)
            queued = []
            done += await self._take(room, one)
        done += await self._arrived(room, queued)
        await self._db.write(delete_staged, staged[0].room_id, done)

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
        self, room: _Room, queued: Sequence[tuple[StagedEvent, Deferred[Position]]]
    ) -> Sequence[EventID]:
        """Waits for what is on its way to the disk; gives those that are done with."""
        done: list[EventID] = []
        outcomes = await DeferredList([stored for _, stored in queued], consumeErrors=True)
        for (one, _), (_, result) in zip(queued, outcomes, strict=True):
            outcome: object = result
            if isinstance(outcome, Failure):
                if outcome.check(CancelledError, DatabaseUnavailable):
                    outcome.raiseException()
                # The room has moved under it.
                done += await self._take(room, one)
            else:
                done.append(one.event_id)
        return done

    async def _take(self, room: _Room, staged: StagedEvent) -> Sequence[EventID]:
        """With what is here; otherwise its server is asked. Gives the event if it is done with."""
        if staged.origin in room.asked:
            return ()
        try:
            _tell(staged, await self._receiver.receive(await self._event(staged)))
        except UnknownEvents:
            self._ask(room, staged)
            return ()
        except (CancelledError, DatabaseUnavailable):
            raise
        except MatrixError as error:
            log.info("event %s of %s is given up: %s", staged.event_id, staged.origin, error)
        except Exception:
            log.exception("event %s of %s failed", staged.event_id, staged.origin)
        return [staged.event_id]

    def _ask(self, room: _Room, staged: StagedEvent) -> None:
        asking = Deferred.fromCoroutine(self._take_from_others(room, staged))
        room.asked[staged.origin] = asking

        def ended(_: object) -> None:
            room.asked.pop(staged.origin, None)
            self._go_on(staged.room_id, room)

        asking.addBoth(ended)

    async def _take_from_others(self, room: _Room, staged: StagedEvent) -> None:
        with log_context(task="asking for events", room=staged.room_id):
            try:
                if await self._must_wait(staged) and len(room.waiting) < _MOST_WAITING:
                    room.waiting.add(staged.event_id)
                else:
                    # Also where too many wait: no more are kept for servers that may never tell what they build on.
                    await self._db.write(delete_staged, staged.room_id, [staged.event_id])
            except CancelledError:
                log.debug("event %s waits for the next start", staged.event_id)
            except DatabaseUnavailable as error:
                room.waiting.add(staged.event_id)
                log.error("event %s stays staged: %s", staged.event_id, error)

    async def _must_wait(self, staged: StagedEvent) -> bool:
        """Takes the event with what its server tells. Whether that cannot be had at the moment."""
        try:
            _tell(staged, await self._intake.take(await self._event(staged), staged.origin))
        except (CancelledError, DatabaseUnavailable):
            raise
        except RemoteUnreachable as error:
            is_patient = self._clock.now_ms() < staged.received_at + _PATIENCE_MS
            what = "waits" if is_patient else "is given up"
            log.info("event %s of %s %s: %s", staged.event_id, staged.origin, what, error)
            return is_patient
        except (MatrixError, UnknownEvents) as error:
            log.info("event %s of %s is given up: %s", staged.event_id, staged.origin, error)
        except Exception:
            log.exception("event %s of %s failed", staged.event_id, staged.origin)
        return False

    async def _event(self, staged: StagedEvent) -> Event:
        """What was staged had passed the checks on its own, and was redacted if it had to be."""
        version = (await self._heads.get(staged.room_id)).version
        return parse_pdu(decode_json(staged.pdu), version)


def _tell(staged: StagedEvent, received: Received) -> None:
    if received.refusal is not None:
        log.info("event %s is refused: %s", staged.event_id, received.refusal.reason)
