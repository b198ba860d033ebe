"""Walking along a room's timeline until enough events are found that one user may see and wants."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.http.requester import Requester
from homeserver.protocol.filters import RoomEventFilter
from homeserver.rooms.ignored import without_ignored
from homeserver.rooms.reading import page_events
from homeserver.rooms.seen import Seen
from homeserver.rooms.store.pages import Author, PageRows, page_backwards, page_forwards
from homeserver.rooms.store.relations import related_parents
from homeserver.rooms.view import RoomView, visible_in
from homeserver.storage.engine import Transaction

START = -(2**62)
"""Before every position, also those of history that was fetched later, which are negative."""

_MOST_SCANNED = 1000
"""Events that are looked at for a page, where few of them pass."""
_LONG_PAGE = 200


class Stretch(NamedTuple):
    """Where to walk: from the position `start` to `stop`, for at most `limit` events."""

    start: int
    stop: int
    backwards: bool
    limit: int


class Walked(NamedTuple):
    """What was found, in the order of the walk; `end` is where to go on, None at the end of the stretch.

    `parents` are the short ids of those that have children; for `has_gaps` see `PageRows`.
    """

    events: list[Seen]
    end: int | None
    parents: Collection[int]
    has_gaps: bool


def walk(
    txn: Transaction, requester: Requester, view: RoomView, wanted: RoomEventFilter, stretch: Stretch
) -> Walked:
    """The events that the requester may see and wants. It may end early where few of them are."""
    found: list[Seen] = []
    parents: set[int] = set()
    author = Author(requester.user_nid, requester.device_nid)
    scanned, size = 0, stretch.limit
    while True:
        page = _page(txn, view.room, author, stretch, size + 1)
        more, rows = len(page.rows) > size, page.rows[:size]
        parents.update(page.parents)
        events = page_events(txn, rows, page.transactions, requester.device_nid)
        seen = visible_in(txn, requester.user_id, view, events)
        heard = without_ignored(view.ignored, seen)
        passed = passing(txn, view.room, view.room_id, wanted, heard)
        missing = stretch.limit - len(found)
        found += passed[:missing]
        if len(passed) > missing:
            return Walked(found, _behind(found[-1].event.position, stretch.backwards), parents, page.has_gaps)
        if not more:
            return Walked(found, None, parents, page.has_gaps)
        end, scanned = _behind(rows[-1].position, stretch.backwards), scanned + len(rows)
        if len(found) == stretch.limit or scanned >= _MOST_SCANNED:
            return Walked(found, end, parents, page.has_gaps)
        stretch, size = stretch._replace(start=end), _LONG_PAGE


def passing(
    txn: Transaction, room: int, room_id: str, wanted: RoomEventFilter, seen: Sequence[Seen]
) -> list[Seen]:
    """Those that a filter lets through. Only what it says of relations costs a statement."""
    if not wanted.includes(room_id):
        return []
    passed = [one for one in seen if wanted.matches(one.event)]
    if not passed or not wanted.asks_relations:
        return passed
    ids = [one.event.key.event_id for one in passed]
    related = related_parents(txn, room, ids, wanted.related_by_rel_types, wanted.related_by_senders)
    return [one for one in passed if one.event.key.event_id in related]


def _page(txn: Transaction, room: int, author: Author, stretch: Stretch, limit: int) -> PageRows:
    if stretch.backwards:
        return page_backwards(txn, room, author, stretch.start, stretch.stop, limit)
    return page_forwards(txn, room, author, stretch.stop, stretch.start, limit)


def _behind(position: int, backwards: bool) -> int:
    """Where to go on after an event: a token stands for the place right after a position."""
    return position - 1 if backwards else position
