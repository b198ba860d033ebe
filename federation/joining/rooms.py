"""What rooms ask of other servers (`OtherServers`).

https://spec.matrix.org/v1.19/server-server-api/#joining-rooms and the sections after it
"""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager

from federation.client.membership import EventTemplate, MembershipCalls
from federation.client.queries import QueryCalls
from federation.incoming.pdu_checks import PduChecks
from federation.joining.answers import JoinAnswers
from federation.joining.attempts import first_answer
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
        checks: PduChecks,
        outgoing: OutgoingEvents,
    ) -> None:
        self._calls = calls
        self._queries = queries
        self._events = events
        self._answers = answers
        self._checks = checks
        self._outgoing = outgoing

    async def resolve(self, alias: RoomAlias) -> tuple[RoomID, Sequence[ServerName]]:
        """See `OtherServers`."""
        found = await self._queries.directory(alias)
        try:
            room_id = parse_room_id(found.room_id)
        except InvalidParam as error:
            raise RemoteFailed(f"{server_of(alias)} gave an alias of no room") from error
        return room_id, found.servers

    async def join(
        self, user_id: UserID, room_id: RoomID, servers: Sequence[ServerName], content: JsonObject
    ) -> JoinedElsewhere:
        """See `OtherServers`."""

        async def by(server: ServerName) -> JoinedElsewhere:
            template = await self._calls.make_join(server, room_id, user_id, list(ROOM_VERSIONS))
            join = self._events.of(template, user_id, room_id, content)
            answer = await self._calls.send_join(server, room_id, join.event_id, join.pdu(), partial=False)
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
            return event, await self._calls.send_knock(server, room_id, event.event_id, event.pdu())

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
        """See `OtherServers`. Raises RemoteFailed where their server answers with another event."""
        assert invite.state_key is not None, "it is of a user"
        server = ServerName(server_of(invite.state_key))
        answer = await self._calls.invite(
            server, invite.room_id, invite.event_id, invite.version, invite.pdu(), stripped
        )
        (signed,) = await self._checks.check([answer], invite.version)
        if not isinstance(signed, Event) or signed.event_id != invite.event_id:
            raise RemoteFailed(f"{server} answers an invitation with another event")
        if not signed.signatures.get(server):
            raise RemoteFailed(f"{server} did not sign the invitation")
        return signed

    def leaving_to_others(self, event_id: EventID) -> AbstractContextManager[None]:
        """See `OtherServers`."""
        return self._outgoing.leaving_to_others(event_id)
