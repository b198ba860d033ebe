"""Client API: typing notifications, receipts and read markers."""

from typing import Annotated

import msgspec

from homeserver.ephemeral.asked_of_rooms import Membership
from homeserver.ephemeral.read_markers import FULLY_READ, RECEIPT_TYPES, Mark, ReadMarkers
from homeserver.ephemeral.store import READ, READ_PRIVATE
from homeserver.ephemeral.threads import MAIN, UNTHREADED
from homeserver.ephemeral.typing_notifications import Typing
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, InvalidParam
from homeserver.protocol.identifiers import RoomID, UserID, parse_event_id
from homeserver.protocol.json import JsonObject, JsonValue

_DEFAULT_TIMEOUT_MS = 30_000
_LONGEST_TIMEOUT_MS = 120_000


class TypingState(msgspec.Struct, frozen=True):
    typing: bool
    timeout: Annotated[int, msgspec.Meta(ge=0)] = _DEFAULT_TIMEOUT_MS


class TypingEndpoints:
    """Who is typing."""

    def __init__(self, typing: Typing, membership: Membership) -> None:
        self._typing = typing
        self._membership = membership

    @endpoint(
        "PUT", "/_matrix/client/(v3|r0)/rooms/{room_id}/typing/{user_id}", auth=Auth.USER, limit=Limit.NONE
    )
    async def set_typing(
        self, requester: Requester, room_id: RoomID, user_id: UserID, body: TypingState
    ) -> JsonObject:
        """Says that the requester started or stopped typing."""
        if user_id != requester.user_id:
            raise Forbidden("Nobody types for another user")
        room_nid = await self._membership.require_joined(room_id, user_id)
        if body.typing:
            timeout_ms = min(body.timeout, _LONGEST_TIMEOUT_MS)
            await self._typing.started(room_nid, user_id, timeout_ms / 1000)
        else:
            await self._typing.stopped(room_nid, user_id)
        return {}


class ReceiptBody(msgspec.Struct, frozen=True):
    # Of any type, because a wrong one is M_INVALID_PARAM here and not M_BAD_JSON.
    thread_id: JsonValue | msgspec.UnsetType = msgspec.UNSET


class ReadMarkerBody(msgspec.Struct, frozen=True):
    """Event IDs; a field that is null or empty says nothing, as clients expect of Synapse."""

    fully_read: str | None = msgspec.field(name=FULLY_READ, default=None)
    read: str | None = msgspec.field(name=READ, default=None)
    read_private: str | None = msgspec.field(name=READ_PRIVATE, default=None)


class ReceiptEndpoints:
    """How far the requester has read."""

    def __init__(self, markers: ReadMarkers) -> None:
        self._markers = markers

    @endpoint(
        "POST",
        "/_matrix/client/(v3|r0)/rooms/{room_id}/receipt/{receipt_type}/{event_id}",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def send_receipt(
        self, requester: Requester, room_id: RoomID, receipt_type: str, event_id: str, body: ReceiptBody
    ) -> JsonObject:
        """Moves one marker to an event."""
        if receipt_type not in RECEIPT_TYPES:
            raise InvalidParam(f"The receipt type must be one of {', '.join(RECEIPT_TYPES)}")
        thread = UNTHREADED if body.thread_id is msgspec.UNSET else _thread(receipt_type, body.thread_id)
        mark = Mark(receipt_type, parse_event_id(event_id), thread)
        await self._markers.move(requester, room_id, [mark])
        return {}

    @endpoint(
        "POST", "/_matrix/client/(v3|r0)/rooms/{room_id}/read_markers", auth=Auth.USER, limit=Limit.NONE
    )
    async def set_read_markers(
        self, requester: Requester, room_id: RoomID, body: ReadMarkerBody
    ) -> JsonObject:
        """Moves the fully read marker and, if named, the receipts."""
        given = ((FULLY_READ, body.fully_read), (READ, body.read), (READ_PRIVATE, body.read_private))
        marks = [Mark(type_, parse_event_id(event_id)) for type_, event_id in given if event_id]
        await self._markers.move(requester, room_id, marks)
        return {}


def _thread(receipt_type: str, thread_id: JsonValue) -> str:
    if not isinstance(thread_id, str) or not thread_id:
        raise InvalidParam("thread_id must be a string that is not empty")
    if receipt_type == FULLY_READ:
        raise InvalidParam(f"{FULLY_READ} has no threads")
    return thread_id if thread_id == MAIN else parse_event_id(thread_id)
