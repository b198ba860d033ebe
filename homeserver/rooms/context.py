"""An event with what was said around it, and the event at a time.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidcontexteventid
"""

from collections.abc import Sequence
from dataclasses import dataclass

from homeserver.http.requester import Requester
from homeserver.protocol.errors import NotFound
from homeserver.protocol.filters import RoomEventFilter
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.rooms.aggregations import bundled
from homeserver.rooms.reading import timeline_events
from homeserver.rooms.seen import Seen
from homeserver.rooms.state import members_at, state_at, state_without_members_at
from homeserver.rooms.store.times import events_by_time
from homeserver.rooms.timeline import format_token, seen_event
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.view import RoomView, RoomViews, visible_in
from homeserver.rooms.walk import START, Stretch, walk
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal

MOST_AROUND = 100
_BATCH = 50
_MOST_BATCHES = 10


@dataclass(frozen=True, slots=True)
class Surrounding:
    """What was said before an event, newest first, and after it; the tokens are for the places outside of both."""

    before: Sequence[Seen]
    after: Sequence[Seen]
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Context:
    """An event with what surrounds it, and the state at the last event of all."""

    view: RoomView
    event: Seen
    around: Surrounding
    state: Sequence[TimelineEvent]


class Contexts:
    """What surrounds events, as far as the requester may see it."""

    def __init__(self, views: RoomViews, journal: Journal, db: Database) -> None:
        self._views = views
        self._journal = journal
        self._db = db

    async def of(
        self, requester: Requester, room_id: RoomID, event_id: EventID, limit: int, wanted: RoomEventFilter
    ) -> Context:
        """With at most `limit` events around it. Raises Forbidden, NotFound."""
        view = await self._views.of(requester, room_id)
        newest = min(view.upto, self._journal.position)
        size = max(0, min(limit, MOST_AROUND))
        context = await self._db.read(_context, requester, view, event_id, newest, size, wanted)
        if context is None:
            raise NotFound("There is no such event in this room")
        return context

    async def at_time(
        self, requester: Requester, room_id: RoomID, timestamp: int, *, backwards: bool
    ) -> TimelineEvent:
        """The nearest event at a time (milliseconds since the epoch) or before it; or after it. Raises NotFound."""
        view = await self._views.of(requester, room_id)
        event = await self._db.read(_at_time, requester, view, timestamp, backwards)
        if event is None:
            raise NotFound("There is no event that you may see at that time")
        return event


def surrounding(
    txn: Transaction,
    requester: Requester,
    view: RoomView,
    event: TimelineEvent,
    sizes: tuple[int, int],
    newest: int,
    wanted: RoomEventFilter,
) -> Surrounding:
    """At most so many events before and after one, up to the position `newest`."""
    at = event.position
    back = Stretch(at - 1, START, backwards=True, limit=sizes[0])
    onward = Stretch(at, newest, backwards=False, limit=sizes[1])
    before = walk(txn, requester, view, wanted, back).events if sizes[0] else []
    after = walk(txn, requester, view, wanted, onward).events if sizes[1] else []
    told = bundled(txn, requester, view, [*before, *after])
    return Surrounding(
        told[: len(before)],
        told[len(before) :],
        format_token((before[-1].event.position if before else at) - 1),
        format_token(after[-1].event.position if after else at),
    )


def _context(
    txn: Transaction,
    requester: Requester,
    view: RoomView,
    event_id: EventID,
    newest: int,
    limit: int,
    wanted: RoomEventFilter,
) -> Context | None:
    seen = seen_event(txn, requester, view, event_id)
    if seen is None:
        return None
    sizes = (limit // 2, limit - limit // 2)
    around = surrounding(txn, requester, view, seen.event, sizes, newest, wanted)
    told = [*around.before, seen, *around.after]
    return Context(view, seen, around, _state(txn, view, told, wanted))


def _state(
    txn: Transaction, view: RoomView, told: Sequence[Seen], wanted: RoomEventFilter
) -> Sequence[TimelineEvent]:
    if not wanted.includes(view.room_id):
        return ()
    line = max(told, key=lambda one: one.event.position).event.state_after
    if wanted.lazy_load_members:
        senders = {one.event.sender for one in told}
        state = [*state_without_members_at(txn, view.room, line), *members_at(txn, view.room, line, senders)]
    else:
        state = state_at(txn, view.room, line)
    return [event for event in state if wanted.matches(event)]


def _at_time(
    txn: Transaction, requester: Requester, view: RoomView, timestamp: int, backwards: bool
) -> TimelineEvent | None:
    for number in range(_MOST_BATCHES):
        rows = events_by_time(
            txn, view.room, timestamp, backwards=backwards, limit=_BATCH, offset=number * _BATCH
        )
        within = [row for row in rows if row.position <= view.upto]
        events = timeline_events(txn, within)
        seen = visible_in(txn, requester.user_id, view, events)
        if seen:
            return seen[0].event
        if len(rows) < _BATCH:
            return None
    return None
