"""Client API: what relates to an event, threads, what surrounds an event."""

from typing import Annotated, Literal

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.protocol.json import MAX_INTEGER
from homeserver.rooms.api.filter_parameter import filter_of
from homeserver.rooms.children import RelatedEvents, RelatedPage, RelatedWish
from homeserver.rooms.context import Contexts
from homeserver.rooms.seen import show_seen
from homeserver.rooms.timeline_event import Viewer, show
from homeserver.runtime.clock import Clock

_RELATIONS = "/_matrix/client/(v1|unstable)/rooms/{room_id}/relations/{event_id}"


class RelationsQuery(msgspec.Struct):
    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    limit: int = 20
    dir: Literal["b", "f"] = "b"
    recurse: bool | None = None
    unstable_recurse: bool | None = msgspec.field(name="org.matrix.msc3981.recurse", default=None)


class RelationsPage(msgspec.Struct, omit_defaults=True):
    chunk: list[msgspec.Raw]
    next_batch: str | None = None
    prev_batch: str | None = None
    recursion_depth: int | None = None


class ThreadsQuery(msgspec.Struct):
    include: Literal["all", "participated"] = "all"
    limit: Annotated[int, msgspec.Meta(ge=1)] = 20
    from_: str | None = msgspec.field(name="from", default=None)


class ThreadsPage(msgspec.Struct, omit_defaults=True):
    chunk: list[msgspec.Raw]
    next_batch: str | None = None


class RelationEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#relationships-api and #querying-threads-in-a-room"""

    def __init__(self, related: RelatedEvents, clock: Clock) -> None:
        self._related = related
        self._clock = clock

    @endpoint("GET", _RELATIONS, auth=Auth.GUEST, limit=Limit.NONE)
    async def relations(
        self, requester: Requester, room_id: RoomID, event_id: str, query: RelationsQuery
    ) -> RelationsPage:
        """The events that relate to one."""
        return await self._page(requester, room_id, event_id, query)

    @endpoint("GET", _RELATIONS + "/{rel_type}", auth=Auth.GUEST, limit=Limit.NONE)
    async def relations_of_type(
        self, requester: Requester, room_id: RoomID, event_id: str, rel_type: str, query: RelationsQuery
    ) -> RelationsPage:
        """The events that relate to one in one way."""
        return await self._page(requester, room_id, event_id, query, rel_type)

    @endpoint("GET", _RELATIONS + "/{rel_type}/{event_type}", auth=Auth.GUEST, limit=Limit.NONE)
    async def relations_of_event_type(
        self,
        requester: Requester,
        room_id: RoomID,
        event_id: str,
        rel_type: str,
        event_type: str,
        query: RelationsQuery,
    ) -> RelationsPage:
        """The events of one type that relate to one in one way."""
        return await self._page(requester, room_id, event_id, query, rel_type, event_type)

    @endpoint(
        "GET",
        "/_matrix/client/v1/rooms/{room_id}/threads",
        "/_matrix/client/unstable/org.matrix.msc3856/rooms/{room_id}/threads",
        auth=Auth.GUEST,
        limit=Limit.NONE,
    )
    async def threads(self, requester: Requester, room_id: RoomID, query: ThreadsQuery) -> ThreadsPage:
        """The events that threads begin with, those of the latest threads first."""
        page = await self._related.threads(
            requester, room_id, query.from_, query.limit, participated=query.include == "participated"
        )
        return ThreadsPage(self._show(requester, page), page.end)

    async def _page(
        self,
        requester: Requester,
        room_id: RoomID,
        event_id: str,
        query: RelationsQuery,
        rel_type: str | None = None,
        event_type: str | None = None,
    ) -> RelationsPage:
        recurse = query.unstable_recurse if query.recurse is None else query.recurse
        wish = RelatedWish(
            rel_type=rel_type,
            event_type=event_type,
            start=query.from_,
            stop=query.to,
            backwards=query.dir == "b",
            limit=query.limit,
            recurse=recurse is True,
        )
        page = await self._related.children(requester, room_id, EventID(event_id), wish)
        depth = 1 if recurse is False else page.depth
        return RelationsPage(self._show(requester, page), page.end, page.begin, depth)

    def _show(self, requester: Requester, page: RelatedPage) -> list[msgspec.Raw]:
        viewer = Viewer(requester.device_nid, self._clock.now_ms())
        return [show_seen(seen, viewer, page.view.room_id) for seen in page.chunk]


class ContextQuery(msgspec.Struct):
    limit: int = 10
    filter: str | None = None


class EventContext(msgspec.Struct):
    event: msgspec.Raw
    events_before: list[msgspec.Raw]
    events_after: list[msgspec.Raw]
    state: list[msgspec.Raw]
    start: str
    end: str


class TimeQuery(msgspec.Struct):
    ts: Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
    dir: Literal["f", "b"] = "f"


class EventAtTime(msgspec.Struct):
    event_id: EventID
    origin_server_ts: int


class ContextEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#event-context"""

    def __init__(self, contexts: Contexts, clock: Clock) -> None:
        self._contexts = contexts
        self._clock = clock

    @endpoint(
        "GET",
        "/_matrix/client/(v3|r0)/rooms/{room_id}/context/{event_id}",
        auth=Auth.GUEST,
        limit=Limit.NONE,
    )
    async def context(
        self, requester: Requester, room_id: RoomID, event_id: str, query: ContextQuery
    ) -> EventContext:
        """An event with those before and after it."""
        context = await self._contexts.of(
            requester, room_id, EventID(event_id), query.limit, filter_of(query.filter)
        )
        viewer = Viewer(requester.device_nid, self._clock.now_ms())
        around = context.around
        return EventContext(
            event=show_seen(context.event, viewer, room_id),
            events_before=[show_seen(one, viewer, room_id) for one in around.before],
            events_after=[show_seen(one, viewer, room_id) for one in around.after],
            state=[show(event, viewer, room_id=room_id) for event in context.state],
            start=around.start,
            end=around.end,
        )

    @endpoint(
        "GET",
        "/_matrix/client/v1/rooms/{room_id}/timestamp_to_event",
        "/_matrix/client/unstable/org.matrix.msc3030/rooms/{room_id}/timestamp_to_event",
        auth=Auth.GUEST,
        limit=Limit.NONE,
    )
    async def event_at_time(self, requester: Requester, room_id: RoomID, query: TimeQuery) -> EventAtTime:
        """The event closest to a time, before it or after it."""
        event = await self._contexts.at_time(requester, room_id, query.ts, backwards=query.dir == "b")
        return EventAtTime(event.key.event_id, event.origin_server_ts)
