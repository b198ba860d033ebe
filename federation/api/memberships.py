"""Server API: users of other servers join rooms here, knock on them, and leave.

https://spec.matrix.org/v1.19/server-server-api/#joining-rooms and the sections after it
"""

from typing import Literal

import msgspec

from federation.resident.handover import Handover
from federation.resident.templates import MembershipTemplates
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.identifiers import EventID, RoomID, ServerName, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import RoomVersion

_V1 = "/_matrix/federation/v1"
_V2 = "/_matrix/federation/v2"


class Versions(msgspec.Struct):
    """`ver` are the room versions that the other server knows."""

    ver: list[str] = msgspec.field(default_factory=lambda: ["1"])


class JoinQuery(msgspec.Struct):
    omit_members: bool = False
    partial_state: bool = msgspec.field(name="org.matrix.msc3706.partial_state", default=False)
    """The same before it was in the specification."""


class Template(msgspec.Struct):
    event: JsonObject
    room_version: str


class Joined(msgspec.Struct):
    origin: ServerName
    state: list[msgspec.Raw]
    auth_chain: list[msgspec.Raw]
    event: JsonObject
    members_omitted: bool
    servers_in_room: list[ServerName]


class Knocked(msgspec.Struct):
    knock_room_state: list[JsonObject]


class MembershipTemplateEndpoints:
    """First the other server asks how the event has to look."""

    def __init__(self, templates: MembershipTemplates) -> None:
        self._templates = templates

    @endpoint("GET", _V1 + "/make_join/{room_id}/{user_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def make_join(
        self, origin: ServerName, room_id: RoomID, user_id: UserID, query: Versions
    ) -> Template:
        """A join to complete."""
        return _template(*await self._templates.join(origin, room_id, user_id, query.ver))

    @endpoint("GET", _V1 + "/make_knock/{room_id}/{user_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def make_knock(
        self, origin: ServerName, room_id: RoomID, user_id: UserID, query: Versions
    ) -> Template:
        """A knock to complete."""
        return _template(*await self._templates.knock(origin, room_id, user_id, query.ver))

    @endpoint("GET", _V1 + "/make_leave/{room_id}/{user_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def make_leave(self, origin: ServerName, room_id: RoomID, user_id: UserID) -> Template:
        """A leave to complete."""
        return _template(*await self._templates.leave(origin, room_id, user_id))


class HandoverEndpoints:
    """Then it sends the event. The first version of the API answers with a list of the status and the answer."""

    def __init__(self, handover: Handover, server_name: ServerName) -> None:
        self._handover = handover
        self._server_name = server_name

    @endpoint("PUT", _V2 + "/send_join/{room_id}/{event_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def send_join(
        self, origin: ServerName, room_id: RoomID, event_id: EventID, query: JoinQuery, body: JsonObject
    ) -> Joined:
        """Takes in a join; the room's state."""
        omit_members = query.omit_members or query.partial_state
        join, room = await self._handover.join(origin, room_id, event_id, body, omit_members=omit_members)
        return Joined(
            origin=self._server_name,
            state=[msgspec.Raw(pdu) for pdu in room.state],
            auth_chain=[msgspec.Raw(pdu) for pdu in room.auth_chain],
            event=join.pdu(),
            members_omitted=room.members_omitted,
            servers_in_room=[self._server_name, *room.servers],
        )

    @endpoint("PUT", _V1 + "/send_join/{room_id}/{event_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def send_join_v1(
        self, origin: ServerName, room_id: RoomID, event_id: EventID, body: JsonObject
    ) -> tuple[Literal[200], Joined]:
        """The same for older servers."""
        return 200, await self.send_join(origin, room_id, event_id, JoinQuery(), body)

    @endpoint("PUT", _V1 + "/send_knock/{room_id}/{event_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def send_knock(
        self, origin: ServerName, room_id: RoomID, event_id: EventID, body: JsonObject
    ) -> Knocked:
        """Takes in a knock; what the room says of itself."""
        return Knocked(list(await self._handover.knock(origin, room_id, event_id, body)))

    @endpoint("PUT", _V2 + "/send_leave/{room_id}/{event_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def send_leave(
        self, origin: ServerName, room_id: RoomID, event_id: EventID, body: JsonObject
    ) -> JsonObject:
        """Takes in a leave."""
        await self._handover.leave(origin, room_id, event_id, body)
        return {}

    @endpoint("PUT", _V1 + "/send_leave/{room_id}/{event_id}", auth=Auth.SERVER, limit=Limit.FEDERATION)
    async def send_leave_v1(
        self, origin: ServerName, room_id: RoomID, event_id: EventID, body: JsonObject
    ) -> tuple[Literal[200], JsonObject]:
        """The same for older servers."""
        return 200, await self.send_leave(origin, room_id, event_id, body)


def _template(version: RoomVersion, event: JsonObject) -> Template:
    return Template(event, version.identifier)
