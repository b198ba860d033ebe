"""Client API: looking into a room without joining it.

https://spec.matrix.org/v1.19/client-server-api/#room-previews
"""

from typing import Annotated

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import RoomID, parse_room_id
from homeserver.protocol.json import JsonObject
from homeserver.rooms.peeking import Peeking
from homeserver.rooms.seen import Seen, show_seen
from homeserver.rooms.timeline_event import TimelineEvent, Viewer, show
from homeserver.rooms.view import RoomView
from homeserver.runtime.clock import Clock


class InitialSyncQuery(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=0)] = 10


class Messages(msgspec.Struct, omit_defaults=True):
    end: str
    chunk: list[msgspec.Raw]
    start: str | None = None


class RoomInfo(msgspec.Struct, omit_defaults=True, kw_only=True):
    room_id: RoomID
    messages: Messages
    state: list[msgspec.Raw]
    visibility: str
    account_data: list[JsonObject]
    membership: str | None = None


class EventsQuery(msgspec.Struct):
    """`timeout` is in milliseconds."""

    room_id: str
    from_: str | None = msgspec.field(name="from", default=None)
    timeout: int = 0


class Events(msgspec.Struct):
    start: str
    end: str
    chunk: list[msgspec.Raw]


class PeekingEndpoints:
    def __init__(self, peeking: Peeking, clock: Clock) -> None:
        self._peeking = peeking
        self._clock = clock

    @endpoint(
        "GET",
        "/_matrix/client/(v3|r0)/rooms/{room_id}/initialSync",
        auth=Auth.GUEST,
        limit=Limit.NONE,
    )
    async def initial_sync(self, requester: Requester, room_id: RoomID, query: InitialSyncQuery) -> RoomInfo:
        """The state of a room and its newest events."""
        peek = await self._peeking.begin(requester, room_id, query.limit)
        page = peek.page
        return RoomInfo(
            room_id=room_id,
            membership=None if page.view.member is None else page.view.member.membership,
            messages=Messages(
                end=peek.end,
                chunk=[self._show_seen(requester, page.view, seen) for seen in reversed(page.chunk)],
                start=page.end,
            ),
            state=[self._show(requester, page.view, event) for event in peek.state],
            visibility="public" if peek.is_published else "private",
            account_data=[
                {"type": type_, "content": msgspec.Raw(content)} for type_, content in peek.account_data
            ],
        )

    @endpoint("GET", "/_matrix/client/(v3|r0)/events", auth=Auth.GUEST, limit=Limit.NONE, waits=True)
    async def events(self, requester: Requester, query: EventsQuery) -> Events:
        """What happens in one room; waits up to `timeout` milliseconds for something."""
        room_id = parse_room_id(query.room_id)
        news = await self._peeking.events(requester, room_id, query.from_, max(0, query.timeout) / 1000)
        view = news.page.view
        chunk = [self._show_seen(requester, view, seen) for seen in news.page.chunk]
        return Events(news.start, news.end, chunk)

    def _show(self, requester: Requester, view: RoomView, event: TimelineEvent) -> msgspec.Raw:
        return show(event, self._viewer(requester), room_id=view.room_id)

    def _show_seen(self, requester: Requester, view: RoomView, seen: Seen) -> msgspec.Raw:
        return show_seen(seen, self._viewer(requester), view.room_id)

    def _viewer(self, requester: Requester) -> Viewer:
        return Viewer(requester.device_nid, self._clock.now_ms())
