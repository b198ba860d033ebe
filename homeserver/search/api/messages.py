"""Client API: searching messages."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.filters import parse_room_event_filter
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.protocol.json import JsonObject
from homeserver.rooms.seen import show_seen
from homeserver.rooms.timeline_event import TimelineEvent, Viewer, show
from homeserver.runtime.clock import Clock
from homeserver.search.message_index import Key
from homeserver.search.messages import ContextWish, MessageSearch, Result, Results, SearchWish

_KEYS = {"content.body": Key.BODY, "content.name": Key.NAME, "content.topic": Key.TOPIC}
_Around = Annotated[int, msgspec.Meta(ge=0)]
_MOST_AROUND = 50


class EventContextWish(msgspec.Struct):
    before_limit: _Around = 5
    after_limit: _Around = 5
    include_profile: bool = False


class Group(msgspec.Struct):
    key: Literal["room_id", "sender"]


class Groupings(msgspec.Struct):
    group_by: list[Group] = []


class RoomEventsCriteria(msgspec.Struct):
    search_term: str
    keys: list[Literal["content.body", "content.name", "content.topic"]] | None = None
    filter: JsonObject = {}
    order_by: Literal["recent", "rank"] = "rank"
    event_context: EventContextWish | None = None
    include_state: bool = False
    groupings: Groupings | None = None


class Categories(msgspec.Struct):
    room_events: RoomEventsCriteria | None = None


class SearchBody(msgspec.Struct):
    search_categories: Categories


class SearchQuery(msgspec.Struct):
    next_batch: str | None = None


class Profile(msgspec.Struct, omit_defaults=True):
    displayname: str | None = None
    avatar_url: str | None = None


class ResultContext(msgspec.Struct, omit_defaults=True):
    events_before: list[msgspec.Raw]
    events_after: list[msgspec.Raw]
    start: str
    end: str
    profile_info: dict[str, Profile] | None = None


class SearchResult(msgspec.Struct, omit_defaults=True):
    rank: float
    result: msgspec.Raw
    context: ResultContext | None = None


class GroupValue(msgspec.Struct):
    """`order` tells in which order groups were found."""

    results: list[EventID]
    order: int


class RoomEventResults(msgspec.Struct, omit_defaults=True):
    results: list[SearchResult]
    count: int
    highlights: list[str]
    next_batch: str | None = None
    state: dict[RoomID, list[msgspec.Raw]] | None = None
    groups: dict[str, dict[str, GroupValue]] | None = None


class ResultCategories(msgspec.Struct, omit_defaults=True):
    room_events: RoomEventResults | None = None


class SearchAnswer(msgspec.Struct):
    search_categories: ResultCategories


class MessageSearchEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#server-side-search"""

    def __init__(self, messages: MessageSearch, clock: Clock) -> None:
        self._messages = messages
        self._clock = clock

    @endpoint("POST", "/_matrix/client/(v3|r0)/search", auth=Auth.USER, limit=Limit.NONE)
    async def search(self, requester: Requester, query: SearchQuery, body: SearchBody) -> SearchAnswer:
        """Finds messages, and names and topics of rooms, by their words."""
        criteria = body.search_categories.room_events
        if criteria is None:
            return SearchAnswer(ResultCategories())
        results = await self._messages.search(requester, _wish(criteria, query.next_batch))
        viewer = Viewer(requester.device_nid, self._clock.now_ms())
        return SearchAnswer(ResultCategories(_answer(results, criteria, viewer)))


def _wish(criteria: RoomEventsCriteria, token: str | None) -> SearchWish:
    around = criteria.event_context
    return SearchWish(
        text=criteria.search_term,
        keys=[_KEYS[key] for key in (_KEYS if criteria.keys is None else criteria.keys)],
        filter=parse_room_event_filter(criteria.filter),
        order=criteria.order_by,
        context=None
        if around is None
        else ContextWish(
            min(around.before_limit, _MOST_AROUND),
            min(around.after_limit, _MOST_AROUND),
            around.include_profile,
        ),
        with_state=criteria.include_state,
        token=token,
    )


def _answer(results: Results, criteria: RoomEventsCriteria, viewer: Viewer) -> RoomEventResults:
    groupings = criteria.groupings
    with_profiles = criteria.event_context is not None and criteria.event_context.include_profile
    return RoomEventResults(
        results=[_result(result, viewer, with_profiles=with_profiles) for result in results.results],
        count=results.count,
        highlights=list(results.highlights),
        next_batch=results.end,
        state={
            room_id: [show(event, viewer, room_id=room_id) for event in events]
            for room_id, events in results.state.items()
        }
        if criteria.include_state
        else None,
        groups=None
        if groupings is None
        else {group.key: _groups(results, group.key) for group in groupings.group_by},
    )


def _result(result: Result, viewer: Viewer, *, with_profiles: bool) -> SearchResult:
    room_id, around = result.view.room_id, result.around
    context = None
    if around is not None:
        context = ResultContext(
            events_before=[show_seen(one, viewer, room_id) for one in around.before],
            events_after=[show_seen(one, viewer, room_id) for one in around.after],
            start=around.start,
            end=around.end,
            profile_info=_profiles(result.members) if with_profiles else None,
        )
    return SearchResult(result.rank, show_seen(result.seen, viewer, room_id), context)


def _profiles(members: Sequence[TimelineEvent]) -> dict[str, Profile]:
    profiles = {}
    for member in members:
        name, avatar = member.content.get("displayname"), member.content.get("avatar_url")
        profiles[member.key.state_key or ""] = Profile(
            name if isinstance(name, str) else None, avatar if isinstance(avatar, str) else None
        )
    return profiles


def _groups(results: Results, key: Literal["room_id", "sender"]) -> dict[str, GroupValue]:
    groups: dict[str, GroupValue] = {}
    for result in results.results:
        value = result.view.room_id if key == "room_id" else result.seen.event.sender
        group = groups.setdefault(value, GroupValue([], len(groups) + 1))
        group.results.append(result.seen.event.key.event_id)
    return groups
