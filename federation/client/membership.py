"""Joining, leaving and knocking on rooms of other servers, and inviting their users.

https://spec.matrix.org/v1.19/server-server-api/#joining-rooms and the sections after it
"""

from collections.abc import Sequence
from typing import Annotated, TypeVar

import msgspec

from federation.transport import Call, Transport, decoded, path_of
from homeserver.http.outbound import Bounds
from homeserver.protocol.errors import RemoteFailed, Unrecognized, UnsupportedRoomVersion
from homeserver.protocol.identifiers import EventID, RoomID, ServerName, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import RoomVersion, room_version

T = TypeVar("T")

# The state of the largest rooms, which the other server takes its time to collect.
_JOIN_BOUNDS = Bounds(seconds=300, body=256 * 1024 * 1024)
_ROOM_VERSION_WITHOUT_A_WORD = "1"


class EventTemplate(msgspec.Struct):
    """An event that the other server proposes: neither complete nor to be trusted."""

    event: JsonObject
    room_version: str = _ROOM_VERSION_WITHOUT_A_WORD

    @property
    def version(self) -> RoomVersion:
        """Raises UnsupportedRoomVersion."""
        return room_version(self.room_version)


# The largest rooms have some hundred thousand members.
_MOST_EVENTS = 1_000_000
# An event has a comma for each 50 bytes or so.
_FEWEST_BYTES_PER_COMMA = 16
_LONG = 4 * 1024 * 1024


class JoinedRoom(msgspec.Struct):
    """The state before the join and its auth chain, as PDUs, each still encoded because there may be very many.

    With `members_omitted`, most events of members are missing from `state`, and `servers_in_room` tells who is there.
    `event` is the join as the other server signed it, if it had to.
    """

    state: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=_MOST_EVENTS)]
    auth_chain: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=_MOST_EVENTS)]
    event: JsonObject | None = None
    members_omitted: bool = False
    servers_in_room: list[ServerName] | None = None


class _KnockAnswer(msgspec.Struct):
    knock_room_state: list[JsonObject]


class _InviteAnswer(msgspec.Struct):
    event: JsonObject


class MembershipCalls:
    """Every method raises what `Transport.send` does."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def make_join(
        self, destination: ServerName, room_id: RoomID, user_id: UserID, versions: Sequence[str]
    ) -> EventTemplate:
        """Raises IncompatibleRoomVersion where the room is of none of the `versions`."""
        return await self._make("make_join", destination, room_id, user_id, versions)

    async def make_knock(
        self, destination: ServerName, room_id: RoomID, user_id: UserID, versions: Sequence[str]
    ) -> EventTemplate:
        """Raises IncompatibleRoomVersion where the room is of none of the `versions`."""
        return await self._make("make_knock", destination, room_id, user_id, versions)

    async def make_leave(self, destination: ServerName, room_id: RoomID, user_id: UserID) -> EventTemplate:
        return await self._make("make_leave", destination, room_id, user_id, None)

    async def send_join(
        self, destination: ServerName, room_id: RoomID, event_id: EventID, event: JsonObject, *, partial: bool
    ) -> JoinedRoom:
        """`partial` asks for the state without most of its members, to have the others later."""
        path = path_of("/_matrix/federation/v2/send_join/{}/{}", room_id, event_id)
        query = {"omit_members": True} if partial else None
        call = Call(method="PUT", path=path, query=query, content=event, bounds=_JOIN_BOUNDS)
        try:
            response = await self._transport.send(destination, call)
            _check_density(destination, response.body)
            return decoded(destination, response, JoinedRoom)
        except Unrecognized:
            path = path_of("/_matrix/federation/v1/send_join/{}/{}", room_id, event_id)
            call = Call(method="PUT", path=path, content=event, bounds=_JOIN_BOUNDS)
            return await self._ask_v1(destination, call, JoinedRoom)

    async def send_leave(
        self, destination: ServerName, room_id: RoomID, event_id: EventID, event: JsonObject
    ) -> None:
        path = path_of("/_matrix/federation/v2/send_leave/{}/{}", room_id, event_id)
        try:
            await self._transport.send(destination, Call(method="PUT", path=path, content=event))
        except Unrecognized:
            path = path_of("/_matrix/federation/v1/send_leave/{}/{}", room_id, event_id)
            await self._transport.send(destination, Call(method="PUT", path=path, content=event))

    async def send_knock(
        self, destination: ServerName, room_id: RoomID, event_id: EventID, event: JsonObject
    ) -> list[JsonObject]:
        """What the room says of itself: stripped state."""
        path = path_of("/_matrix/federation/v1/send_knock/{}/{}", room_id, event_id)
        call = Call(method="PUT", path=path, content=event)
        return (await self._transport.ask(destination, call, _KnockAnswer)).knock_room_state

    async def invite(
        self,
        destination: ServerName,
        room_id: RoomID,
        event_id: EventID,
        version: RoomVersion,
        event: JsonObject,
        invite_room_state: Sequence[JsonObject],
    ) -> JsonObject:
        """The invite, signed by the invited user's server, too.

        `event` is a whole PDU. Raises UnsupportedRoomVersion where that server is too old for the room.
        """
        content = {
            "room_version": version.identifier,
            "event": event,
            "invite_room_state": list(invite_room_state),
        }
        path = path_of("/_matrix/federation/v2/invite/{}/{}", room_id, event_id)
        call = Call(method="PUT", path=path, content=content)
        try:
            return (await self._transport.ask(destination, call, _InviteAnswer)).event
        except Unrecognized:
            # The older way names no room version.
            if version.identifier not in ("1", "2"):
                raise UnsupportedRoomVersion(f"{destination} is too old for this room") from None
        path = path_of("/_matrix/federation/v1/invite/{}/{}", room_id, event_id)
        unsigned = {**event.get("unsigned", {}), "invite_room_state": list(invite_room_state)}
        call = Call(method="PUT", path=path, content={**event, "unsigned": unsigned})
        return (await self._ask_v1(destination, call, _InviteAnswer)).event

    async def exchange_third_party_invite(
        self, destination: ServerName, room_id: RoomID, event: JsonObject
    ) -> None:
        """Asks a server of the room to invite whom an e-mail address turned out to belong to."""
        path = path_of("/_matrix/federation/v1/exchange_third_party_invite/{}", room_id)
        await self._transport.send(destination, Call(method="PUT", path=path, content=event))

    async def _make(
        self,
        operation: str,
        destination: ServerName,
        room_id: RoomID,
        user_id: UserID,
        versions: Sequence[str] | None,
    ) -> EventTemplate:
        path = path_of("/_matrix/federation/v1/{}/{}/{}", operation, room_id, user_id)
        query = None if versions is None else {"ver": versions}
        return await self._transport.ask(
            destination, Call(method="GET", path=path, query=query), EventTemplate
        )

    async def _ask_v1(self, destination: ServerName, call: Call, kind: type[T]) -> T:
        """The first version of these operations answers with a list of the status and the answer."""
        response = await self._transport.send(destination, call)
        _check_density(destination, response.body)
        answer = decoded(destination, response, list[msgspec.Raw])
        if len(answer) != 2:
            raise RemoteFailed(f"{destination} gave an answer of no use: a list of {len(answer)}")
        try:
            return msgspec.json.decode(answer[1], type=kind)
        except msgspec.MsgspecError as error:
            raise RemoteFailed(f"{destination} gave an answer of no use: {error}") from error


def _check_density(server_name: ServerName, body: bytes) -> None:
    """Raises RemoteFailed where so much is in a long answer that it would take many times its length once decoded."""
    if len(body) > _LONG and body.count(b",") * _FEWEST_BYTES_PER_COMMA > len(body):
        raise RemoteFailed(f"{server_name} gave an answer of no use: it is no list of events")
