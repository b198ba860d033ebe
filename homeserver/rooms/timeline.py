"""Reading the timeline of a room: pages of it, and single events.

A token "s12" stands for the place in the timeline right after position 12, in /messages as in /sync.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from homeserver.http.requester import Requester
from homeserver.protocol.errors import InvalidParam, NotFound
from homeserver.protocol.filters import RoomEventFilter
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.rooms.reading import timeline_events
from homeserver.rooms.seen import Seen
from homeserver.rooms.state import members_at
from homeserver.rooms.store.events import (
    TimelineRow,
    event_by_id,
    events_backwards,
    events_forwards,
)
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.view import RoomView, RoomViews
from homeserver.rooms.visibility import visible_events
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal

LARGEST_PAGE = 1000
# As many digits as a database holds.
_TOKEN = re.compile(r"s-?[0-9]{1,18}")
_START = -(2**62)
"""Before every position, also those of history that was fetched later, which are negative."""


def parse_token(token: str) -> int:
    """The position that a token stands for. Raises InvalidParam."""
    if _TOKEN.fullmatch(token) is None:
        raise InvalidParam("This is no token of this server")
    return int(token[1:])


def format_token(position: int) -> str:
    """The token of the place right after a position."""
    return f"s{position}"


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a timeline; `end` is the token to go on from, None where there is no more."""

    view: RoomView
    start: str
    end: str | None
    chunk: Sequence[Seen]
    state: Sequence[TimelineEvent]


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

    def __init__(self, views: RoomViews, journal: Journal, db: Database) -> None:
        self._views = views
        self._journal = journal
        self._db = db

    async def page(self, requester: Requester, room_id: RoomID, wish: PageWish) -> Page:
        """Events that the requester may see. Raises Forbidden, NotFound, InvalidParam."""
        view = await self._views.of(requester, room_id)
        newest = min(view.upto, self._journal.position)
        default = newest if wish.backwards else _START
        start = default if wish.start is None else min(parse_token(wish.start), newest)
        stop = None if wish.stop is None else parse_token(wish.stop)
        return await self._db.read(_page, requester, view, wish, start, stop, newest)

    async def event(self, requester: Requester, room_id: RoomID, event_id: EventID) -> tuple[RoomView, Seen]:
        """Raises NotFound also for an event that exists but may not be seen, as the specification asks."""
        view = await self._views.of(requester, room_id)
        seen = await self._db.read(_one, requester, view, event_id)
        if seen is None:
            raise NotFound("There is no such event in this room")
        return view, seen


def _page(
    txn: Transaction,
    requester: Requester,
    view: RoomView,
    wish: PageWish,
    start: int,
    stop: int | None,
    newest: int,
) -> Page:
    limit = max(1, min(wish.limit, LARGEST_PAGE))
    rows = _rows(txn, view, wish.backwards, start, stop, newest, limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    events = timeline_events(txn, rows, requester.device_nid)
    seen = visible_events(txn, view.room, requester.user_id, view.member, events)
    wanted = wish.filter.includes(view.room_id)
    chunk = [one for one in seen if wanted and wish.filter.matches(one.event)]
    return Page(
        view=view,
        start=format_token(start if start != _START else 0),
        end=format_token(_end(rows, wish.backwards)) if more else None,
        chunk=chunk,
        state=_members_of_senders(txn, view, chunk) if wish.filter.lazy_load_members else (),
    )


def _rows(
    txn: Transaction, view: RoomView, backwards: bool, start: int, stop: int | None, newest: int, limit: int
) -> list[TimelineRow]:
    if backwards:
        return events_backwards(txn, view.room, start, _START if stop is None else stop, limit)
    return events_forwards(txn, view.room, start, newest if stop is None else min(stop, newest), limit)


def _end(rows: Sequence[TimelineRow], backwards: bool) -> int:
    return rows[-1].position - 1 if backwards else rows[-1].position


def _members_of_senders(txn: Transaction, view: RoomView, chunk: Sequence[Seen]) -> list[TimelineEvent]:
    """The member events of those who sent the chunk, at its newest event, when all of them had come."""
    senders = {one.event.key.sender for one in chunk}
    line = max((one.event.state_after for one in chunk), default=0)
    return members_at(txn, view.room, line, senders)


def _one(txn: Transaction, requester: Requester, view: RoomView, event_id: EventID) -> Seen | None:
    row = event_by_id(txn, event_id)
    if row is None or row.room != view.room:
        return None
    events = timeline_events(txn, [row], requester.device_nid)
    seen = visible_events(txn, view.room, requester.user_id, view.member, events)
    return seen[0] if seen else None
