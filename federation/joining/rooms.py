"""What rooms ask of other servers (`OtherServers`).

https://spec.matrix.org/v1.19/server-server-api/#joining-rooms and the sections after it
"""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager

import msgspec

from federation.client.membership import EventTemplate, MembershipCalls
from federation.client.queries import QueryCalls
from federation.joining.answers import JoinAnswers
from federation.joining.attempts import first_answer
from federation.joining.complexity import ComplexityLimit
from federation.joining.templates import MemberEvents
from federation.outgoing.events import OutgoingEvents
from homeserver.protocol.errors import InvalidParam, MatrixError, RemoteFailed
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import (
    EventID,
    RoomAlias,
    RoomID,
    ServerName,
    UserID,
    parse_room_id,
    server_of,
)
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import ROOM_VERSIONS, room_version
from homeserver.protocol.stripped import stripped_by_others
from homeserver.rooms.remote import JoinedElsewhere

log = logging.getLogger(__name__)

# Of an event that no other server will see.
_ANY_VERSION = room_version("11")


class RoomsOfOthers:
    def __init__(
        self,
        calls: MembershipCalls,
        queries: QueryCalls,
        events: MemberEvents,
        answers: JoinAnswers,
        outgoing: OutgoingEvents,
        limit: ComplexityLimit,
    ) -> None:
        self._calls = calls
        self._queries = queries
        self._events = events
        self._answers = answers
        self._outgoing = outgoing
        self._limit = limit

    async def resolve(self, alias: RoomAlias) -> tuple[RoomID, Sequence[ServerName]]:
        """See `OtherServers`."""
        found = await self._queries.directory(alias)
        try:
            room_id = parse_room_id(found.room_id)
        except InvalidParam as error:
            raise RemoteFailed(f"{server_of(alias)} gave an alias of no room") from error
        return room_id, found.servers

    async def join(
        self,
        user_id: UserID,
        room_id: RoomID,
        servers: Sequence[ServerName],
        content: JsonObject,
        *,
        partially: bool,
    ) -> JoinedElsewhere:
        """See `OtherServers`. Raises ResourceLimitExceeded."""
        await self._limit.check(user_id, room_id, servers)

        async def by(server: ServerName) -> JoinedElsewhere:
            template = await self._calls.make_join(server, room_id, user_id, list(ROOM_VERSIONS))
            join = self._events.of(template, user_id, room_id, content)
            answer = await self._calls.send_join(
                server, room_id, join.event_id, join.pdu(), partial=partially
            )
            if answer.members_omitted and not partially:
                raise RemoteFailed(f"{server} keeps members to itself")
            return await self._answers.checked(server, join, answer)

        return await first_answer(servers, by)

    async def knock(
        self, user_id: UserID, room_id: RoomID, servers: Sequence[ServerName], content: JsonObject
    ) -> tuple[Event, Sequence[JsonObject]]:
        """See `OtherServers`."""
        versions = [version.identifier for version in ROOM_VERSIONS.values() if version.knock]

        async def by(server: ServerName) -> tuple[Event, Sequence[JsonObject]]:
            template = await self._calls.make_knock(server, room_id, user_id, versions)
            event = self._events.of(template, user_id, room_id, content)
            told = await self._calls.send_knock(server, room_id, event.event_id, event.pdu())
            return event, stripped_by_others(told)

        return await first_answer(servers, by)

    async def leave(
        self, user_id: UserID, room_id: RoomID, servers: Sequence[ServerName], content: JsonObject
    ) -> Event:
        """See `OtherServers`."""

        async def by(server: ServerName) -> Event:
            template: EventTemplate = await self._calls.make_leave(server, room_id, user_id)
            event = self._events.of(template, user_id, room_id, content)
            await self._calls.send_leave(server, room_id, event.event_id, event.pdu())
            return event

        try:
            return await first_answer(servers, by)
        except MatrixError as error:
            # Nobody is kept in an invitation because whoever invited is gone.
            log.info("nobody takes in that %s left %s: %s", user_id, room_id, error)
            return self._events.alone(user_id, room_id, _ANY_VERSION, content)

    async def invite(self, invite: Event, stripped: Sequence[JsonObject]) -> Event:
        """See `OtherServers`. Raises RemoteFailed where their server does not sign it."""
        assert invite.state_key is not None, "it is of a user"
        server = ServerName(server_of(invite.state_key))
        answer = await self._calls.invite(
            server, invite.room_id, invite.event_id, invite.version, invite.pdu(), stripped
        )
        signature = answer.get("signatures", {}).get(server)
        if not isinstance(signature, dict) or not signature:
            raise RemoteFailed(f"{server} did not sign the invitation")
        # Of the answer nothing else is taken, so it does not matter what else it says.
        return msgspec.structs.replace(invite, signatures={**invite.signatures, server: signature})

    def leaving_to_others(self, event_id: EventID) -> AbstractContextManager[None]:
        """See `OtherServers`."""
        return self._outgoing.leaving_to_others(event_id)
