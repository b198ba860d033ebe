"""Client API: reading the state and the timeline of a room."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.rooms.api.filter_parameter import filter_of
from homeserver.rooms.seen import show_seen
from homeserver.rooms.state import RoomStates
from homeserver.rooms.timeline import PageWish, Timelines, parse_token
from homeserver.rooms.timeline_event import TimelineEvent, Viewer, show
from homeserver.rooms.view import RoomView
from homeserver.runtime.clock import Clock

_ROOM = "/_matrix/client/(v3|r0)/rooms/{room_id}"


class MessagesQuery(msgspec.Struct):
    dir: Literal["f", "b"]
    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    limit: int = 10
    filter: str | None = None


class MessagesPage(msgspec.Struct, omit_defaults=True):
    start: str
    chunk: list[msgspec.Raw]
    end: str | None = None
    state: list[msgspec.Raw] = []


Membership = Literal["join", "invite", "knock", "leave", "ban"]


class MembersQuery(msgspec.Struct):
    """Who has `membership` is listed, and who has another than `not_membership`."""

    at: str | None = None
    membership: Membership | None = None
    not_membership: Membership | None = None


class MemberChunk(msgspec.Struct):
    chunk: list[msgspec.Raw]


class JoinedMember(msgspec.Struct, omit_defaults=True):
    display_name: str | None = None
    avatar_url: str | None = None


class JoinedMembers(msgspec.Struct):
    joined: dict[UserID, JoinedMember]


class StateQuery(msgspec.Struct):
    format: Literal["content", "event"] = "content"


class RoomReadingEndpoints:
    def __init__(self, states: RoomStates, timelines: Timelines, clock: Clock) -> None:
        self._states = states
        self._timelines = timelines
        self._clock = clock

    @endpoint("GET", _ROOM + "/state", auth=Auth.GUEST, limit=Limit.NONE)
    async def state(self, requester: Requester, room_id: RoomID) -> list[msgspec.Raw]:
        """All current state, or that of the moment when the requester left."""
        view, events = await self._states.all(requester, room_id)
        return self._show_all(requester, view, events)

    @endpoint("GET", _ROOM + "/state/{event_type}/{state_key}", auth=Auth.GUEST, limit=Limit.NONE)
    async def state_event(
        self, requester: Requester, room_id: RoomID, event_type: str, state_key: str, query: StateQuery
    ) -> msgspec.Raw | JsonObject:
        """The content of one state event, or all of it."""
        view, event = await self._states.one(requester, room_id, (event_type, state_key))
        return self._show_all(requester, view, [event])[0] if query.format == "event" else event.content

    @endpoint(
        "GET",
        _ROOM + "/state/{event_type}",
        _ROOM + "/state/{event_type}/",
        auth=Auth.GUEST,
        limit=Limit.NONE,
    )
    async def keyless_state_event(
        self, requester: Requester, room_id: RoomID, event_type: str, query: StateQuery
    ) -> msgspec.Raw | JsonObject:
        """The content of the state event under the empty key, or all of it."""
        return await self.state_event(requester, room_id, event_type, "", query)

    @endpoint("GET", _ROOM + "/members", auth=Auth.GUEST, limit=Limit.NONE)
    async def members(self, requester: Requester, room_id: RoomID, query: MembersQuery) -> MemberChunk:
        """The member events of the room, at a point of the timeline if one is named."""
        at = None if query.at is None else parse_token(query.at)
        view, events = await self._states.members(requester, room_id, at)
        chosen = [event for event in events if _wanted(query, event)]
        return MemberChunk(self._show_all(requester, view, chosen))

    @endpoint("GET", _ROOM + "/joined_members", auth=Auth.GUEST, limit=Limit.NONE)
    async def joined_members(self, requester: Requester, room_id: RoomID) -> JoinedMembers:
        """The joined users with their names and avatars."""
        joined = await self._states.joined(requester, room_id)
        return JoinedMembers({user_id: JoinedMember(*named) for user_id, named in joined.items()})

    @endpoint("GET", _ROOM + "/messages", auth=Auth.GUEST, limit=Limit.NONE)
    async def messages(self, requester: Requester, room_id: RoomID, query: MessagesQuery) -> MessagesPage:
        """A page of the timeline."""
        wish = PageWish(query.from_, query.to, query.dir == "b", query.limit, filter_of(query.filter))
        page = await self._timelines.page(requester, room_id, wish)
        viewer = self._viewer(requester)
        return MessagesPage(
            start=page.start,
            end=page.end,
            chunk=[show_seen(seen, viewer, room_id) for seen in page.chunk],
            state=self._show_all(requester, page.view, page.state),
        )

    @endpoint("GET", _ROOM + "/event/{event_id}", auth=Auth.GUEST, limit=Limit.NONE)
    async def event(self, requester: Requester, room_id: RoomID, event_id: str) -> msgspec.Raw:
        """One event."""
        view, seen = await self._timelines.event(requester, room_id, EventID(event_id))
        return show_seen(seen, self._viewer(requester), view.room_id)

    @endpoint("GET", "/_matrix/client/(v3|r0)/events/{event_id}", auth=Auth.USER, limit=Limit.NONE)
    async def event_anywhere(self, requester: Requester, event_id: str) -> msgspec.Raw:
        """One event of any room; deprecated."""
        view, seen = await self._timelines.event_anywhere(requester, EventID(event_id))
        return show_seen(seen, self._viewer(requester), view.room_id)

    def _show_all(
        self, requester: Requester, view: RoomView, events: Iterable[TimelineEvent]
    ) -> list[msgspec.Raw]:
        viewer = self._viewer(requester)
        return [show(event, viewer, room_id=view.room_id) for event in events]

    def _viewer(self, requester: Requester) -> Viewer:
        return Viewer(requester.device_nid, self._clock.now_ms())


def _wanted(query: MembersQuery, event: TimelineEvent) -> bool:
    if query.membership is query.not_membership is None:
        return True
    membership = event.content.get("membership")
    return membership == query.membership or (
        query.not_membership is not None and membership != query.not_membership
    )
