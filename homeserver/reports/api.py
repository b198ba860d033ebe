"""Client API: reporting events, rooms and users.

https://spec.matrix.org/v1.19/client-server-api/#reporting-content
"""

from typing import Annotated

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import RoomID, UserID, parse_event_id
from homeserver.protocol.json import JsonObject
from homeserver.reports.reports import Reporting

# COMPAT(synapse): as many characters as there. NUL is no text for PostgreSQL.
_Reason = Annotated[str, msgspec.Meta(max_length=1000, pattern=r"^[^\x00]*$")]


class EventReport(msgspec.Struct):
    """`score` was dropped from the specification in v1.18; clients still send it."""

    reason: _Reason | None = None
    score: Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | None = None


class RoomOrUserReport(msgspec.Struct):
    reason: _Reason


class ReportEndpoints:
    def __init__(self, reporting: Reporting) -> None:
        self._reporting = reporting

    @endpoint(
        "POST",
        "/_matrix/client/(v3|r0)/rooms/{room_id}/report/{event_id}",
        auth=Auth.USER,
        limit=Limit.REPORTS,
    )
    async def report_event(
        self, requester: Requester, room_id: RoomID, event_id: str, body: EventReport
    ) -> JsonObject:
        """Reports an event in a room that the requester is joined to."""
        named = parse_event_id(event_id)
        await self._reporting.report_event(requester, room_id, named, body.reason, body.score)
        return {}

    @endpoint("POST", "/_matrix/client/v3/rooms/{room_id}/report", auth=Auth.USER, limit=Limit.REPORTS)
    async def report_room(self, requester: Requester, room_id: RoomID, body: RoomOrUserReport) -> JsonObject:
        """Reports a room."""
        await self._reporting.report_room(requester, room_id, body.reason)
        return {}

    @endpoint("POST", "/_matrix/client/v3/users/{user_id}/report", auth=Auth.USER, limit=Limit.REPORTS)
    async def report_user(self, requester: Requester, user_id: UserID, body: RoomOrUserReport) -> JsonObject:
        """Reports a user."""
        await self._reporting.report_user(requester, user_id, body.reason)
        return {}
