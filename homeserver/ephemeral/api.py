"""Client API: typing notifications, receipts, read markers and presence."""

from collections.abc import Sequence
from typing import Annotated, Protocol

import msgspec

from homeserver.ephemeral.asked_of_rooms import Acquaintance, Membership
from homeserver.ephemeral.presence.state import StateName, state_named
from homeserver.ephemeral.presence.tracking import PresenceTracker
from homeserver.ephemeral.read_markers import FULLY_READ, RECEIPT_TYPES, Mark, ReadMarkers
from homeserver.ephemeral.store import READ, READ_PRIVATE
from homeserver.ephemeral.threads import MAIN, UNTHREADED
from homeserver.ephemeral.typing_notifications import Typing
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, InvalidParam
from homeserver.protocol.identifiers import RoomID, UserID, parse_event_id
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.runtime.clock import Clock
from homeserver.storage.dictionary import Dictionary

_DEFAULT_TIMEOUT_MS = 30_000
_LONGEST_TIMEOUT_MS = 120_000
# MSC4446, by its name until it is accepted.
_ALLOW_BACKWARD = "com.beeper.allow_backward"


class Activity(Protocol):
    """Is told of users who do something (`homeserver.ephemeral.presence`)."""

    async def active(self, user_nid: int, user_id: UserID, device_nid: int | None) -> None: ...


class TypingState(msgspec.Struct, frozen=True):
    typing: bool
    timeout: Annotated[int, msgspec.Meta(ge=0)] = _DEFAULT_TIMEOUT_MS


class TypingEndpoints:
    """Who is typing."""

    def __init__(self, typing: Typing, membership: Membership, activity: Activity) -> None:
        self._typing = typing
        self._membership = membership
        self._activity = activity

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
        await self._activity.active(requester.user_nid, user_id, requester.device_nid)
        return {}


class ReceiptBody(msgspec.Struct, frozen=True):
    # Of any type, because a wrong one is M_INVALID_PARAM here and not M_BAD_JSON.
    thread_id: JsonValue | msgspec.UnsetType = msgspec.UNSET
    allow_backward: bool = msgspec.field(name=_ALLOW_BACKWARD, default=False)


class ReadMarkerBody(msgspec.Struct, frozen=True):
    """Event IDs; a field that is null or empty says nothing, as clients expect of Synapse."""

    fully_read: str | None = msgspec.field(name=FULLY_READ, default=None)
    read: str | None = msgspec.field(name=READ, default=None)
    read_private: str | None = msgspec.field(name=READ_PRIVATE, default=None)
    allow_backward: bool = msgspec.field(name=_ALLOW_BACKWARD, default=False)


class ReceiptEndpoints:
    """How far the requester has read."""

    def __init__(self, markers: ReadMarkers, activity: Activity) -> None:
        self._markers = markers
        self._activity = activity

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
        mark = Mark(receipt_type, parse_event_id(event_id), thread, body.allow_backward)
        await self._move(requester, room_id, [mark])
        return {}

    @endpoint(
        "POST", "/_matrix/client/(v3|r0)/rooms/{room_id}/read_markers", auth=Auth.USER, limit=Limit.NONE
    )
    async def set_read_markers(
        self, requester: Requester, room_id: RoomID, body: ReadMarkerBody
    ) -> JsonObject:
        """Moves the fully read marker and, if named, the receipts."""
        given = ((FULLY_READ, body.fully_read), (READ, body.read), (READ_PRIVATE, body.read_private))
        marks = [
            Mark(type_, parse_event_id(event_id), may_go_back=body.allow_backward)
            for type_, event_id in given
            if event_id
        ]
        await self._move(requester, room_id, marks)
        return {}

    async def _move(self, requester: Requester, room_id: RoomID, marks: Sequence[Mark]) -> None:
        await self._markers.move(requester, room_id, marks)
        await self._activity.active(requester.user_nid, requester.user_id, requester.device_nid)


def _thread(receipt_type: str, thread_id: JsonValue) -> str:
    if not isinstance(thread_id, str) or not thread_id:
        raise InvalidParam("thread_id must be a string that is not empty")
    if receipt_type == FULLY_READ:
        raise InvalidParam(f"{FULLY_READ} has no threads")
    return thread_id if thread_id == MAIN else parse_event_id(thread_id)


class PresenceBody(msgspec.Struct, frozen=True):
    # COMPAT(synapse): without a message there is none from now on. NUL is no text for PostgreSQL.
    presence: StateName
    status_msg: Annotated[str, msgspec.Meta(max_length=1000, pattern=r"^[^\x00]*$")] | None = None


class PresenceEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#presence"""

    def __init__(
        self,
        tracker: PresenceTracker,
        users: Dictionary[UserID],
        acquaintance: Acquaintance,
        clock: Clock,
        *,
        is_shown: bool,
    ) -> None:
        """Where presence is not shown, everybody is offline."""
        self._tracker = tracker
        self._users = users
        self._acquaintance = acquaintance
        self._clock = clock
        self._is_shown = is_shown

    @endpoint(
        "PUT",
        "/_matrix/client/(v3|r0)/presence/{user_id}/status",
        auth=Auth.USER,
        limit=Limit.PRESENCE_PER_USER,
    )
    async def set_presence(self, requester: Requester, user_id: UserID, body: PresenceBody) -> JsonObject:
        """Says how the requester is."""
        if user_id != requester.user_id:
            raise Forbidden("Nobody speaks for another user")
        await self._tracker.set_state(requester, state_named(body.presence), body.status_msg or None)
        return {}

    @endpoint("GET", "/_matrix/client/(v3|r0)/presence/{user_id}/status", auth=Auth.USER, limit=Limit.NONE)
    async def presence(self, requester: Requester, user_id: UserID) -> JsonObject:
        """How somebody is whom the requester shares a room with."""
        if not self._is_shown:
            return {"presence": "offline"}
        user_nid = await self._users.find(user_id)
        if user_nid is None or not await self._may_see(requester, user_nid):
            raise Forbidden("You share no room with this user")
        presence = await self._tracker.of(user_nid)
        return {"presence": "offline"} if presence is None else presence.content(self._clock.now_ms())

    async def _may_see(self, requester: Requester, user_nid: int) -> bool:
        if user_nid == requester.user_nid:
            return True
        return await self._acquaintance.share_a_room(requester.user_nid, user_nid)
