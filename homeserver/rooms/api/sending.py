"""Client API: putting events into a room."""

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import BadJson
from homeserver.protocol.identifiers import EventID, RoomID, parse_event_id
from homeserver.protocol.json import JsonObject
from homeserver.rooms.draft import Draft
from homeserver.rooms.local_state import StateSetter
from homeserver.rooms.redactions import Redactor
from homeserver.rooms.related_redactions import RelatedRedactions
from homeserver.rooms.send import EventSender

_ROOM = "/_matrix/client/(v3|r0)/rooms/{room_id}"


class SentEvent(msgspec.Struct):
    event_id: EventID


class RedactionWish(msgspec.Struct):
    """What relates to the event in one of the given ways is redacted too; "*" stands for any way (MSC3912)."""

    reason: str | None = None
    with_rel_types: list[str] = []
    unstable_with_relations: list[str] = msgspec.field(
        name="org.matrix.msc3912.with_relations", default_factory=list
    )


class TimeQuery(msgspec.Struct):
    """When an application service says that its event was made, in milliseconds since the epoch."""

    ts: int | None = None


class SendEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#sending-events-to-a-room"""

    def __init__(
        self, sender: EventSender, states: StateSetter, redactor: Redactor, related: RelatedRedactions
    ) -> None:
        self._sender = sender
        self._states = states
        self._redactor = redactor
        self._related = related

    @endpoint(
        "PUT",
        _ROOM + "/send/{event_type}/{txn_id}",
        auth=Auth.GUEST,
        limit=Limit.MESSAGES,
        replay_by="txn_id",
        suspended=False,
    )
    async def send_message(
        self,
        requester: Requester,
        room_id: RoomID,
        event_type: str,
        txn_id: str,
        body: JsonObject,
        query: TimeQuery,
    ) -> SentEvent:
        """Sends a message event, once for each transaction ID."""
        draft = Draft(
            room_id=room_id,
            type=event_type,
            sender=requester.user_id,
            content=body,
            origin_server_ts=_time(requester, query),
            transaction=_transaction(requester, f"send/{event_type}", txn_id),
        )
        if event_type == "m.room.redaction":
            return await self._redact(draft, body.get("redacts"))
        return SentEvent((await self._sender.send(draft)).event_id)

    @endpoint(
        "PUT",
        _ROOM + "/state/{event_type}/{state_key}",
        auth=Auth.GUEST,
        limit=Limit.MESSAGES,
        suspended=False,
    )
    async def send_state(
        self,
        requester: Requester,
        room_id: RoomID,
        event_type: str,
        state_key: str,
        body: JsonObject,
        query: TimeQuery,
    ) -> SentEvent:
        """Sets the state under a type and key."""
        draft = Draft(
            room_id=room_id,
            type=event_type,
            state_key=state_key,
            sender=requester.user_id,
            content=body,
            origin_server_ts=_time(requester, query),
        )
        # Or else one could redact by the power to set state.
        if event_type == "m.room.redaction":
            return await self._redact(draft, body.get("redacts"))
        return SentEvent((await self._states.set(requester, draft)).event_id)

    @endpoint(
        "PUT",
        _ROOM + "/state/{event_type}",
        _ROOM + "/state/{event_type}/",
        auth=Auth.GUEST,
        limit=Limit.MESSAGES,
        suspended=False,
    )
    async def send_keyless_state(
        self, requester: Requester, room_id: RoomID, event_type: str, body: JsonObject, query: TimeQuery
    ) -> SentEvent:
        """Sets the state under a type and the empty key."""
        return await self.send_state(requester, room_id, event_type, "", body, query)

    @endpoint(
        "PUT",
        _ROOM + "/redact/{event_id}/{txn_id}",
        auth=Auth.GUEST,
        limit=Limit.MESSAGES,
        replay_by="txn_id",
    )
    async def redact(
        self, requester: Requester, room_id: RoomID, event_id: str, txn_id: str, body: RedactionWish
    ) -> SentEvent:
        """Strips an event of its content."""
        draft = Draft(
            room_id=room_id,
            type="m.room.redaction",
            sender=requester.user_id,
            content={} if body.reason is None else {"reason": body.reason},
            transaction=_transaction(requester, f"redact/{event_id}", txn_id),
        )
        own_only = requester.is_suspended
        sent = await self._redactor.redact(draft, parse_event_id(event_id), own_only=own_only)
        rel_types = body.with_rel_types or body.unstable_with_relations
        if rel_types and sent.new:
            await self._related.redact(draft, EventID(event_id), rel_types, own_only=own_only)
        return SentEvent(sent.event_id)

    async def _redact(self, draft: Draft, target: object) -> SentEvent:
        if not isinstance(target, str):
            raise BadJson("content.redacts must name the event to redact")
        sent = await self._redactor.redact(draft, parse_event_id(target))
        return SentEvent(sent.event_id)


def _transaction(requester: Requester, endpoint_name: str, txn_id: str) -> tuple[int, str, str]:
    return requester.scope, endpoint_name, txn_id


def _time(requester: Requester, query: TimeQuery) -> int | None:
    return query.ts if requester.service is not None else None
