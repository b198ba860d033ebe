"""Reading what relates to an event, and the threads of a room.

https://spec.matrix.org/v1.19/client-server-api/#forming-relationships-between-events
"""

from collections.abc import Sequence
from dataclasses import dataclass

from homeserver.http.requester import Requester
from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.rooms.aggregations import bundled
from homeserver.rooms.ignored import ignored_senders, ignored_users
from homeserver.rooms.reading import pruned, timeline_events
from homeserver.rooms.seen import Seen
from homeserver.rooms.store.events import events_by_nid
from homeserver.rooms.store.relations import DEEPEST, ChildrenWish, children, threads
from homeserver.rooms.timeline import format_token, parse_token, seen_event
from homeserver.rooms.view import CURRENT, RoomView, RoomViews, visible_in
from homeserver.rooms.walk import START
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

LARGEST_PAGE = 100


@dataclass(frozen=True, slots=True)
class RelatedWish:
    """Which children: of what types, and from which token to which."""

    rel_type: str | None
    event_type: str | None
    start: str | None
    stop: str | None
    backwards: bool
    limit: int
    recurse: bool


@dataclass(frozen=True, slots=True)
class RelatedPage:
    """`end` is the token to go on from, `begin` the one to go back from; None where there is no more.

    `depth` is how many relations in a row were followed, if it was asked.
    """

    view: RoomView
    chunk: Sequence[Seen]
    end: str | None
    begin: str | None
    depth: int | None = None


class RelatedEvents:
    """Events as they relate to others, as far as the requester may see them."""

    def __init__(self, views: RoomViews, db: Database) -> None:
        self._views = views
        self._db = db

    async def children(
        self, requester: Requester, room_id: RoomID, parent: EventID, wish: RelatedWish
    ) -> RelatedPage:
        """Raises Forbidden, InvalidParam, and NotFound where the requester may not see the parent."""
        view = await self._views.of(requester, room_id)
        start = None if wish.start is None else parse_token(wish.start)
        stop = None if wish.stop is None else parse_token(wish.stop)
        after, upto = (stop, start) if wish.backwards else (start, stop)
        asked = ChildrenWish(
            room=view.room,
            parent=parent,
            rel_type=wish.rel_type,
            event_type=wish.event_type,
            after=START if after is None else after,
            upto=view.upto if upto is None else min(upto, view.upto),
            backwards=wish.backwards,
            limit=max(1, min(wish.limit, LARGEST_PAGE)),
            recurse=wish.recurse,
        )
        chunk, end = await self._db.read(_children, requester, view, asked)
        return RelatedPage(view, chunk, end, wish.start, DEEPEST if wish.recurse else None)

    async def threads(
        self, requester: Requester, room_id: RoomID, start: str | None, limit: int, *, participated: bool
    ) -> RelatedPage:
        """The roots of the room's threads, or of those that the requester takes part in, the latest first."""
        view = await self._views.of(requester, room_id)
        before = CURRENT if start is None else parse_token(start)
        size = max(1, min(limit, LARGEST_PAGE))
        chunk, end = await self._db.read(_threads, requester, view, before, size, participated)
        return RelatedPage(view, chunk, end, start)


def _children(
    txn: Transaction, requester: Requester, view: RoomView, wish: ChildrenWish
) -> tuple[list[Seen], str | None]:
    if seen_event(txn, requester, view, wish.parent) is None:
        raise NotFound("There is no such event in this room")
    ignored = ignored_senders(txn, requester.user_nid)
    nids = children(txn, wish._replace(limit=wish.limit + 1), ignored)
    rows = {row.nid: row for row in events_by_nid(txn, nids[: wish.limit])}
    ordered = [rows[nid] for nid in nids if nid in rows]
    end = None
    if len(nids) > wish.limit and ordered:
        last = ordered[-1].position
        end = format_token(last - 1 if wish.backwards else last)
    events = timeline_events(txn, ordered, requester)
    seen = visible_in(txn, requester.user_id, view, events)
    return bundled(txn, requester, view, seen), end


def _threads(
    txn: Transaction, requester: Requester, view: RoomView, before: int, limit: int, participated: bool
) -> tuple[list[Seen], str | None]:
    participant = requester.user_nid if participated else None
    found = threads(txn, view.room, before, view.upto, limit + 1, participant)
    page = found[:limit]
    rows = {row.nid: row for row in events_by_nid(txn, [thread.root for thread in page])}
    ordered = [rows[thread.root] for thread in page if thread.root in rows]
    events = timeline_events(txn, ordered, requester)
    seen = visible_in(txn, requester.user_id, view, events)
    ignored = ignored_users(txn, requester.user_nid)
    # A thread goes on without those who are ignored, but it begins with what they said.
    shown = [
        one._replace(event=pruned(one.event, view.version)) if one.event.sender in ignored else one
        for one in bundled(txn, requester, view, seen)
    ]
    return shown, format_token(page[-1].latest) if len(found) > limit else None
