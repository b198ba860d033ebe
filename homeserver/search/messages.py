"""Searching what was said, in the rooms of the one who asks.

https://spec.matrix.org/v1.19/client-server-api/#server-side-search
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, InvalidParam, Unknown
from homeserver.protocol.filters import RoomEventFilter
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.rooms.aggregations import bundled
from homeserver.rooms.context import Surrounding, surrounding
from homeserver.rooms.ignored import ignored_users
from homeserver.rooms.members import Members
from homeserver.rooms.reading import timeline_events
from homeserver.rooms.seen import Seen
from homeserver.rooms.state import members_at, state_at
from homeserver.rooms.store.events import events_by_nid
from homeserver.rooms.store.members import MemberRow
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.view import RoomView, RoomViews
from homeserver.rooms.visibility import visible_events
from homeserver.rooms.walk import passing
from homeserver.search.message_index import Key, room_mark, searched_text, sender_mark
from homeserver.search.message_words import found_words, rank, terms_of
from homeserver.storage.database import Database
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.engine import Transaction
from homeserver.storage.full_text import FullText, Query, Term
from homeserver.streams.journal import Journal

_DEFAULT_PAGE = 10
_LARGEST_PAGE = 100
_MOST_RANKED = 500
"""Of more matches, the newest are compared."""
_BATCH = 100
_MOST_COUNTED = 1000
_MOST_SENDERS = 1000
_MOST_HIGHLIGHTS = 100
_NEWEST = 2**62
_TOKEN = re.compile(r"(-?[0-9]{1,19})_([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class ContextWish:
    """How many events around each result, and whether with the senders' profiles."""

    before: int
    after: int
    profiles: bool


@dataclass(frozen=True, slots=True)
class SearchWish:
    """What is looked for: `token` is where an earlier page ended."""

    text: str
    keys: Sequence[Key]
    filter: RoomEventFilter
    order: Literal["recent", "rank"]
    context: ContextWish | None
    with_state: bool
    token: str | None


@dataclass(slots=True)
class Result:
    """An event that was found, with what was said around it where that is wanted.

    `members` are the member events at that time of those who are shown.
    """

    rank: float
    view: RoomView
    seen: Seen
    around: Surrounding | None = None
    members: Sequence[TimelineEvent] = ()


@dataclass(slots=True)
class Results:
    """A page of results; `count` is about how many there are, `state` the current state of their rooms."""

    results: list[Result] = field(default_factory=list)
    count: int = 0
    highlights: Sequence[str] = ()
    end: str | None = None
    state: dict[RoomID, Sequence[TimelineEvent]] = field(default_factory=dict)


@dataclass(slots=True)
class _Found:
    hits: list[tuple[float, Seen]] = field(default_factory=list)
    count: int = 0
    end: str | None = None


class MessageSearch:
    """Costs what the matches in the user's rooms cost, of which the newest are looked at."""

    def __init__(
        self,
        index: FullText | None,
        members: Members,
        views: RoomViews,
        users: Dictionary[UserID],
        journal: Journal,
        db: Database,
    ) -> None:
        """Without `index`, nobody may search."""
        self._index = index
        self._members = members
        self._views = views
        self._users = users
        self._journal = journal
        self._db = db

    async def search(self, requester: Requester, wish: SearchWish) -> Results:
        """Raises InvalidParam, and Unknown where the operator switched searching off."""
        if self._index is None:
            raise Unknown("Searching messages is switched off on this server")
        before, offset = (_NEWEST, 0) if wish.token is None else _parse(wish.token)
        rooms = await self._rooms(requester, wish.filter)
        terms = terms_of(wish.text)
        senders = await self._senders(wish.filter)
        if not (terms and rooms and wish.keys) or (senders is not None and not senders):
            return Results()
        query = _query(terms, rooms, senders, wish.keys)
        search = _Search(self._index, requester, rooms, wish, terms, query)
        found = await self._db.read(search.find, before, offset)
        views = await self._views_of(requester, [seen for _, seen in found.hits])
        hits = [
            Result(score, views[seen.event.room], seen)
            for score, seen in found.hits
            if seen.event.room in views and not views[seen.event.room].hides(seen.event)
        ]
        results = Results(hits, found.count, search.highlights(hits), found.end)
        await self._db.read(_complete, requester, wish, results, self._journal.position)
        return results

    async def _rooms(self, requester: Requester, wanted: RoomEventFilter) -> Mapping[int, MemberRow]:
        """The rooms in which something may be visible to the user."""
        rows = await self._members.rooms_of(requester.user_nid)
        return {
            room: row
            for room, row in rows.items()
            if row.membership in ("join", "leave", "ban")
            and not row.forgotten
            and wanted.includes(row.room_id)
        }

    async def _senders(self, wanted: RoomEventFilter) -> Sequence[int] | None:
        """The short ids of the senders that the filter names; None where it names none."""
        if wanted.senders is None:
            return None
        nids = [await self._users.find(UserID(user_id)) for user_id in wanted.senders[:_MOST_SENDERS]]
        return [nid for nid in nids if nid is not None]

    async def _views_of(self, requester: Requester, seen: Sequence[Seen]) -> Mapping[int, RoomView]:
        rooms = await self._members.rooms_of(requester.user_nid)
        views = {}
        for room in {one.event.room for one in seen}:
            try:
                views[room] = await self._views.of(requester, rooms[room].room_id)
            except Forbidden:
                # Whoever was never joined may have been invited, and have seen what was said then.
                continue
        return views


def _query(
    terms: Sequence[Term], rooms: Mapping[int, MemberRow], senders: Sequence[int] | None, keys: Sequence[Key]
) -> Query:
    query: list[Sequence[Term]] = [[term] for term in terms]
    query.append([Term(key.value) for key in keys])
    if senders is not None:
        query.append([Term(sender_mark(sender)) for sender in senders])
    query.append([Term(room_mark(room)) for room in rooms])
    return query


class _Search:
    """One search."""

    def __init__(
        self,
        index: FullText,
        requester: Requester,
        rooms: Mapping[int, MemberRow],
        wish: SearchWish,
        terms: Sequence[Term],
        query: Query,
    ) -> None:
        self._index = index
        self._requester = requester
        self._rooms = rooms
        self._wish = wish
        self._terms = terms
        self._query = query
        limit = _DEFAULT_PAGE if wish.filter.limit is None else wish.filter.limit
        self._limit = max(1, min(limit, _LARGEST_PAGE))

    def find(self, txn: Transaction, before: int, offset: int) -> _Found:
        """A page of what matches below the key `before`; by rank, `offset` of them were told before."""
        found = (
            self._recent(txn, before) if self._wish.order == "recent" else self._ranked(txn, before, offset)
        )
        found.count = len(self._index.newest(txn, self._query, _NEWEST, _MOST_COUNTED))
        return found

    def highlights(self, results: Sequence[Result]) -> list[str]:
        words: dict[str, None] = {}
        for result in results:
            words |= dict.fromkeys(found_words(self._terms, _text(result.seen.event)))
        return list(words)[:_MOST_HIGHLIGHTS]

    def _recent(self, txn: Transaction, before: int) -> _Found:
        found, scanned = _Found(), 0
        while True:
            keys = self._index.newest(txn, self._query, before, _BATCH)
            for key, seen in self._visible(txn, keys):
                if len(found.hits) == self._limit:
                    found.end = f"{found.hits[-1][1].event.nid}_0"
                    return found
                found.hits.append((rank(self._terms, _text(seen.event)), seen))
                before = key
            scanned += len(keys)
            if len(keys) < _BATCH:
                return found
            before = keys[-1]
            if scanned >= _MOST_RANKED:
                found.end = f"{before}_0"
                return found

    def _ranked(self, txn: Transaction, before: int, offset: int) -> _Found:
        keys = self._index.newest(txn, self._query, before, _MOST_RANKED)
        hits = [(rank(self._terms, _text(seen.event)), seen) for _, seen in self._visible(txn, keys)]
        hits.sort(key=lambda hit: (-hit[0], -hit[1].event.nid))
        end = offset + self._limit
        found = _Found(hits[offset:end])
        if len(hits) > end:
            # What comes later must not move the pages.
            found.end = f"{keys[0] + 1}_{end}"
        return found

    def _visible(self, txn: Transaction, keys: Sequence[int]) -> list[tuple[int, Seen]]:
        """Those of the events that the user may see and the filter passes, newest first."""
        events = timeline_events(txn, events_by_nid(txn, keys), self._requester)
        ignored = ignored_users(txn, self._requester.user_nid)
        by_room: dict[int, list[TimelineEvent]] = {}
        for event in events:
            if event.sender not in ignored:
                by_room.setdefault(event.room, []).append(event)
        passed: dict[int, Seen] = {}
        for room, inside in by_room.items():
            member = self._rooms[room]
            seen = visible_events(txn, room, self._requester.user_id, member, inside)
            wanted = passing(txn, room, member.room_id, self._wish.filter, seen)
            passed.update((one.event.nid, one) for one in wanted)
        return [(key, passed[key]) for key in keys if key in passed]


def _text(event: TimelineEvent) -> str:
    searched = searched_text(event.type, event.content)
    return "" if searched is None else searched[1]


def _complete(
    txn: Transaction, requester: Requester, wish: SearchWish, results: Results, newest: int
) -> None:
    """Adds what is wanted besides the events that were found."""
    for result in results.results:
        result.seen = bundled(txn, requester, result.view, [result.seen])[0]
        if wish.context is not None:
            _add_context(txn, requester, wish.context, result, newest)
        if wish.with_state and result.view.room_id not in results.state:
            results.state[result.view.room_id] = state_at(txn, result.view.room, result.view.line)


def _add_context(
    txn: Transaction, requester: Requester, wish: ContextWish, result: Result, newest: int
) -> None:
    view, event = result.view, result.seen.event
    sizes = (wish.before, wish.after)
    around = surrounding(txn, requester, view, event, sizes, min(view.upto, newest), RoomEventFilter())
    result.around = around
    if wish.profiles:
        senders = {one.event.sender for one in (*around.before, result.seen, *around.after)}
        result.members = members_at(txn, view.room, event.state_after, senders)


def _parse(token: str) -> tuple[int, int]:
    found = _TOKEN.fullmatch(token)
    if found is None or abs(int(found[1])) > _NEWEST:
        raise InvalidParam("This is no token of this server")
    return int(found[1]), int(found[2])
