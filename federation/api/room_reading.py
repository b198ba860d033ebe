"""Server API: history, states and single events of rooms.

https://spec.matrix.org/v1.19/server-server-api/#backfilling-and-retrieving-missing-events and #retrieving-events
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from federation.resident.reading import RoomReading
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.identifiers import EventID, RoomID, ServerName, parse_event_id
from homeserver.runtime.clock import Clock

_V1 = "/_matrix/federation/v1"
_MOST_NAMED = 100


class BackfillQuery(msgspec.Struct):
    v: list[str]
    limit: Annotated[int, msgspec.Meta(ge=1)]


class MissingEventsBody(msgspec.Struct):
    earliest_events: list[str]
    latest_events: list[str]
    limit: int = 10
    min_depth: int = 0


class StateQuery(msgspec.Struct):
    event_id: str


class TimeQuery(msgspec.Struct):
    ts: int
    dir: Literal["f", "b"]


class Pdus(msgspec.Struct):
    """Some events, as in a transaction."""

    origin: ServerName
    origin_server_ts: int
    pdus: list[msgspec.Raw]


class Events(msgspec.Struct):
    events: list[msgspec.Raw]


class AuthChain(msgspec.Struct):
    auth_chain: list[msgspec.Raw]


class State(msgspec.Struct):
    pdus: list[msgspec.Raw]
    auth_chain: list[msgspec.Raw]


class StateIds(msgspec.Struct):
    pdu_ids: list[EventID]
    auth_chain_ids: list[EventID]


class EventAtTime(msgspec.Struct):
    event_id: EventID
    origin_server_ts: int


class RoomsForServersEndpoints:
    """For servers in the room alone."""

    def __init__(self, reading: RoomReading, server_name: ServerName, clock: Clock) -> None:
        self._reading = reading
        self._server_name = server_name
        self._clock = clock

    @endpoint("GET", _V1 + "/backfill/{room_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def backfill(self, origin: ServerName, room_id: RoomID, query: BackfillQuery) -> Pdus:
        """Events and those before them, newest first."""
        start = _parsed(query.v)
        return self._transaction(await self._reading.backfill(origin, room_id, start, query.limit))

    @endpoint("POST", _V1 + "/get_missing_events/{room_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def missing_events(self, origin: ServerName, room_id: RoomID, body: MissingEventsBody) -> Events:
        """Events between some that are known and some that are new, oldest first."""
        found = await self._reading.missing_events(
            origin,
            room_id,
            latest=_parsed(body.latest_events),
            earliest=_parsed(body.earliest_events),
            min_depth=body.min_depth,
            limit=max(0, body.limit),
        )
        return Events(_raw(found))

    @endpoint("GET", _V1 + "/state/{room_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def state(self, origin: ServerName, room_id: RoomID, query: StateQuery) -> State:
        """The state before an event, with what authorises it."""
        state = await self._reading.state(origin, room_id, parse_event_id(query.event_id))
        return State(_raw(state.pdus), _raw(state.auth_chain))

    @endpoint("GET", _V1 + "/state_ids/{room_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def state_ids(self, origin: ServerName, room_id: RoomID, query: StateQuery) -> StateIds:
        """The same as event IDs."""
        ids = await self._reading.state_ids(origin, room_id, parse_event_id(query.event_id))
        return StateIds(list(ids.pdu_ids), list(ids.auth_chain_ids))

    @endpoint("GET", _V1 + "/event_auth/{room_id}/{event_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def event_auth(self, origin: ServerName, room_id: RoomID, event_id: EventID) -> AuthChain:
        """All that authorises an event."""
        return AuthChain(_raw(await self._reading.event_auth(origin, room_id, event_id)))

    @endpoint("GET", _V1 + "/event/{event_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def event(self, origin: ServerName, event_id: EventID) -> Pdus:
        """One event."""
        return self._transaction([await self._reading.event(origin, event_id)])

    @endpoint(
        "GET",
        _V1 + "/timestamp_to_event/{room_id}",
        # The same before it was in the specification.
        "/_matrix/federation/unstable/org.matrix.msc3030/timestamp_to_event/{room_id}",
        auth=Auth.SERVER,
        limit=Limit.FEDERATION,
    )
    async def timestamp_to_event(self, origin: ServerName, room_id: RoomID, query: TimeQuery) -> EventAtTime:
        """The event nearest to a time."""
        found = await self._reading.nearest(origin, room_id, query.ts, backwards=query.dir == "b")
        return EventAtTime(found.event_id, found.origin_server_ts)

    def _transaction(self, pdus: Sequence[bytes]) -> Pdus:
        return Pdus(self._server_name, self._clock.now_ms(), _raw(pdus))


def _parsed(event_ids: Sequence[str]) -> list[EventID]:
    if len(event_ids) > _MOST_NAMED:
        raise InvalidParam(f"Name {_MOST_NAMED} events at most")
    return [parse_event_id(event_id) for event_id in event_ids]


def _raw(pdus: Sequence[bytes]) -> list[msgspec.Raw]:
    return [msgspec.Raw(pdu) for pdu in pdus]
