"""Sending events to other servers, and asking for those that are missing here.

https://spec.matrix.org/v1.19/server-server-api/#transactions and #retrieving-events
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from federation.transport import Call, Transport, path_of
from homeserver.http.outbound import Bounds
from homeserver.protocol.errors import RemoteFailed
from homeserver.protocol.identifiers import EventID, RoomID, ServerName
from homeserver.protocol.json import JsonObject

_V1 = "/_matrix/federation/v1"
# The whole state of a large room.
_STATE_BOUNDS = Bounds(seconds=300, body=256 * 1024 * 1024)
# The IDs of half a million events.
_STATE_IDS_BOUNDS = Bounds(seconds=300, body=32 * 1024 * 1024)
_MOST_PDUS, _MOST_EDUS = 50, 100


class StateAnswer(msgspec.Struct):
    """The state before an event and its auth chain, as PDUs, each still encoded."""

    pdus: list[msgspec.Raw]
    auth_chain: list[msgspec.Raw]


class StateIdsAnswer(msgspec.Struct):
    pdu_ids: list[EventID]
    auth_chain_ids: list[EventID]


class EventAtTime(msgspec.Struct):
    event_id: EventID
    origin_server_ts: int


class _PduResult(msgspec.Struct):
    error: str | None = None


class _TransactionAnswer(msgspec.Struct):
    pdus: dict[EventID, _PduResult] = {}


class _Pdus(msgspec.Struct):
    pdus: list[JsonObject]


class _Events(msgspec.Struct):
    events: list[JsonObject]


class _AuthChain(msgspec.Struct):
    auth_chain: list[JsonObject]


class EventCalls:
    """Every method raises what `Transport.send` does. The PDUs that they return are neither parsed nor verified."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send_transaction(
        self,
        destination: ServerName,
        transaction_id: str,
        origin_server_ts: int,
        pdus: Sequence[JsonObject],
        edus: Sequence[JsonObject],
        *,
        origin: ServerName,
    ) -> Mapping[EventID, str]:
        """At most 50 PDUs and 100 EDUs; the reasons for which the other server refused some, by event."""
        if len(pdus) > _MOST_PDUS or len(edus) > _MOST_EDUS:
            raise ValueError("too much for one transaction")
        content = {
            "origin": origin,
            "origin_server_ts": origin_server_ts,
            "pdus": list(pdus),
            "edus": list(edus),
        }
        path = path_of(_V1 + "/send/{}", transaction_id)
        call = Call(method="PUT", path=path, content=content, is_brief=True)
        answer = await self._transport.ask(destination, call, _TransactionAnswer)
        return {
            event_id: result.error for event_id, result in answer.pdus.items() if result.error is not None
        }

    async def backfill(
        self, destination: ServerName, room_id: RoomID, before: Sequence[EventID], limit: int
    ) -> list[JsonObject]:
        """Events before and including those of `before`, newest first, at most `limit`."""
        path = path_of(_V1 + "/backfill/{}", room_id)
        call = Call(method="GET", path=path, query={"v": before, "limit": limit})
        return (await self._transport.ask(destination, call, _Pdus)).pdus[:limit]

    async def missing_events(
        self,
        destination: ServerName,
        room_id: RoomID,
        *,
        earliest: Sequence[EventID],
        latest: Sequence[EventID],
        limit: int,
        min_depth: int = 0,
    ) -> list[JsonObject]:
        """Events between those known already and those received, oldest first, at most `limit`."""
        content = {
            "earliest_events": list(earliest),
            "latest_events": list(latest),
            "limit": limit,
            "min_depth": min_depth,
        }
        path = path_of(_V1 + "/get_missing_events/{}", room_id)
        call = Call(method="POST", path=path, content=content)
        return (await self._transport.ask(destination, call, _Events)).events[:limit]

    async def state(self, destination: ServerName, room_id: RoomID, event_id: EventID) -> StateAnswer:
        """The room's state before an event."""
        path = path_of(_V1 + "/state/{}", room_id)
        call = Call(method="GET", path=path, query={"event_id": event_id}, bounds=_STATE_BOUNDS)
        return await self._transport.ask(destination, call, StateAnswer)

    async def state_ids(self, destination: ServerName, room_id: RoomID, event_id: EventID) -> StateIdsAnswer:
        """The same as event IDs."""
        path = path_of(_V1 + "/state_ids/{}", room_id)
        call = Call(method="GET", path=path, query={"event_id": event_id}, bounds=_STATE_IDS_BOUNDS)
        return await self._transport.ask(destination, call, StateIdsAnswer)

    async def event_auth(
        self, destination: ServerName, room_id: RoomID, event_id: EventID
    ) -> list[JsonObject]:
        """The whole auth chain of an event."""
        call = Call(method="GET", path=path_of(_V1 + "/event_auth/{}/{}", room_id, event_id))
        return (await self._transport.ask(destination, call, _AuthChain)).auth_chain

    async def event(self, destination: ServerName, event_id: EventID) -> JsonObject:
        """One event."""
        call = Call(method="GET", path=path_of(_V1 + "/event/{}", event_id))
        pdus = (await self._transport.ask(destination, call, _Pdus)).pdus
        if len(pdus) != 1:
            raise RemoteFailed(f"{destination} was asked for one event and gave {len(pdus)}")
        return pdus[0]

    async def timestamp_to_event(
        self, destination: ServerName, room_id: RoomID, ts: int, direction: Literal["f", "b"]
    ) -> EventAtTime:
        """The event nearest to a time in ms, after it (f) or before it (b). Raises NotFound."""
        path = path_of(_V1 + "/timestamp_to_event/{}", room_id)
        call = Call(method="GET", path=path, query={"ts": ts, "dir": direction})
        return await self._transport.ask(destination, call, EventAtTime)

    async def policy_sign(self, destination: ServerName, event: JsonObject) -> Mapping[str, str]:
        """A policy server's signatures of an event, by key; it raises Forbidden where it refuses to sign.

        https://spec.matrix.org/v1.19/server-server-api/#policy-servers
        """
        call = Call(method="POST", path="/_matrix/policy/v1/sign", content=event)
        answer = await self._transport.ask(destination, call, dict[ServerName, dict[str, str]])
        return answer.get(destination, {})
