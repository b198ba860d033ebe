"""Reading the timeline of a room: pages of it, and single events.

A token "s12" stands for the place in the timeline right after position 12, in /messages as in /sync.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, InvalidParam, NotFound
from homeserver.protocol.filters import RoomEventFilter
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.rooms.aggregations import bundled
from homeserver.rooms.ignored import without_ignored
from homeserver.rooms.missing_history import MissingHistory
from homeserver.rooms.reading import timeline_events
from homeserver.rooms.seen import Seen
from homeserver.rooms.state import members_at
from homeserver.rooms.store.events import event_by_id
from homeserver.rooms.store.graph import missing_events
from homeserver.rooms.store.heads import room_of_event
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.view import RoomView, RoomViews, visible_in
from homeserver.rooms.walk import START, Stretch, walk
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal

LARGEST_PAGE = 1000
_NO_EVENT = "There is no such event in this room"
# As many digits as a database holds.
_TOKEN = re.compile(r"s(-?[0-9]{1,18})(?:_([0-9]{1,18}))?")


def parse_token(token: str) -> int:
    """The position that a token stands for. Raises InvalidParam."""
    return parse_sync_token(token)[0]


def parse_sync_token(token: str) -> tuple[int, int]:
    """Two positions: up to the second one the client has all messages to its device. Raises InvalidParam."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise InvalidParam("This is no token of this server")
    position = int(found[1])
    return position, position if found[2] is None else int(found[2])


def format_token(position: int) -> str:
    """The token of the place right after a position."""
    return f"s{position}"


def format_sync_token(position: int, received: int) -> str:
    """As `format_token`, for a client that may not have all messages to its device yet."""
    return format_token(position) if received == position else f"s{position}_{received}"


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a timeline; `end` is the token to go on from, None where there is no more.

    `missing` are events that belong to that part and are not here.
    """

    view: RoomView
    start: str
    end: str | None
    chunk: Sequence[Seen]
    state: Sequence[TimelineEvent]
    missing: Collection[EventID] = ()


@dataclass(frozen=True, slots=True)
class PageWish:
    """Which part: from `start` (or the end that `backwards` begins at) until `stop` or `limit` events."""

    start: str | None
    stop: str | None
    backwards: bool
    limit: int
    filter: RoomEventFilter


class Timelines:
    """The timeline as the requester may see it."""

    def __init__(
        self, views: RoomViews, missing_history: MissingHistory, journal: Journal, db: Database
    ) -> None:
        self._views = views
        self._missing_history = missing_history
        self._journal = journal
        self._db = db

    async def page(self, requester: Requester, room_id: RoomID, wish: PageWish) -> Page:
        """Events that the requester may see. Raises Forbidden, NotFound, InvalidParam.

        What is missing of a page backwards is asked of other servers, for a bounded time.
        """
        view = await self._views.of(requester, room_id)
        newest = min(view.upto, self._journal.position)
        stretch = _stretch(wish, newest)
        page = await self._db.read(_page, requester, view, wish.filter, stretch)
        if page.missing and await self._missing_history.fetch(room_id, page.missing):
            page = await self._db.read(_page, requester, view, wish.filter, stretch)
        return page

    async def event_anywhere(self, requester: Requester, event_id: EventID) -> tuple[RoomView, Seen]:
        """As `event`, in whatever room it is."""
        room_id = await self._db.read(room_of_event, event_id)
        if room_id is None:
            raise NotFound(_NO_EVENT)
        return await self.event(requester, room_id, event_id)

    async def event(self, requester: Requester, room_id: RoomID, event_id: EventID) -> tuple[RoomView, Seen]:
        """Raises NotFound also for an event that exists but may not be seen, as the specification asks."""
        try:
            view = await self._views.of(requester, room_id)
        except Forbidden:
            raise NotFound(_NO_EVENT) from None
        seen = await self._db.read(seen_event, requester, view, event_id)
        if seen is None:
            raise NotFound(_NO_EVENT)
        return view, seen


def _stretch(wish: PageWish, newest: int) -> Stretch:
    limit = max(1, min(wish.limit, LARGEST_PAGE))
    start = None if wish.start is None else min(parse_token(wish.start), newest)
    stop = None if wish.stop is None else parse_token(wish.stop)
    if wish.backwards:
        return Stretch(
            newest if start is None else start, START if stop is None else stop, backwards=True, limit=limit
        )
    return Stretch(
        START if start is None else start,
        newest if stop is None else min(stop, newest),
        backwards=False,
        limit=limit,
    )


def _page(
    txn: Transaction, requester: Requester, view: RoomView, wanted: RoomEventFilter, stretch: Stretch
) -> Page:
    walked = walk(txn, requester, view, wanted, stretch)
    chunk, end = walked.events, walked.end
    missing = _missing(txn, view.room, stretch, end) if walked.has_gaps else []
    if missing and chunk and end is None:
        # There may be more, when it is asked for again.
        end = chunk[-1].event.position - 1
    return Page(
        view=view,
        start=format_token(stretch.start if stretch.start != START else 0),
        end=None if end is None else format_token(end),
        chunk=bundled(txn, requester, view, chunk, walked.parents),
        state=members_of_senders(txn, view, chunk) if wanted.lazy_load_members else (),
        missing=missing,
    )


def _missing(txn: Transaction, room: int, stretch: Stretch, end: int | None) -> list[EventID]:
    """What events name that are between the places where a page backwards begins and ends, and is not here."""
    if not stretch.backwards:
        return []
    oldest = stretch.stop if end is None else end + 1
    return [
        event_id
        for event_id, position in missing_events(txn, room).items()
        if oldest < position <= stretch.start + 1
    ]


def members_of_senders(txn: Transaction, view: RoomView, chunk: Sequence[Seen]) -> list[TimelineEvent]:
    """The member events of those who sent the chunk, at its newest event, when all of them had come."""
    senders = {one.event.key.sender for one in chunk}
    line = max((one.event.state_after for one in chunk), default=0)
    return members_at(txn, view.room, line, senders)


def seen_event(txn: Transaction, requester: Requester, view: RoomView, event_id: EventID) -> Seen | None:
    """None where there is no such event in the room, or the requester may not see it or ignores its sender."""
    row = event_by_id(txn, event_id)
    if row is None or row.room != view.room:
        return None
    events = timeline_events(txn, [row], requester)
    seen = visible_in(txn, requester.user_id, view, events)
    heard = without_ignored(view.ignored, seen)
    return bundled(txn, requester, view, heard)[0] if heard else None
