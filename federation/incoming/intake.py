"""Bringing an event into its room, with what it builds on and is not here.

https://spec.matrix.org/v1.19/server-server-api/#retrieving-events
"""

import logging

from federation.client.events import EventCalls
from federation.incoming.pdu_checks import PduChecks
from federation.incoming.remote_states import RemoteStates
from homeserver.protocol.errors import MatrixError
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import ServerName
from homeserver.rooms.graph.auth_graph import UnknownEvents
from homeserver.rooms.head import Heads
from homeserver.rooms.receive import EventReceiver, Received
from homeserver.rooms.store.events import first_depth
from homeserver.storage.database import Database

log = logging.getLogger(__name__)

MOST_MISSING = 20
"""As many events are asked for between those that are here and a new one; what came before them is a gap."""


class EventIntake:
    def __init__(
        self,
        receiver: EventReceiver,
        states: RemoteStates,
        calls: EventCalls,
        checks: PduChecks,
        heads: Heads,
        db: Database,
    ) -> None:
        self._db = db
        self._receiver = receiver
        self._states = states
        self._calls = calls
        self._checks = checks
        self._heads = heads

    async def take(self, event: Event, origin: ServerName) -> Received:
        """Stores an event that `origin` sent, and what it tells of the events before it.

        Raises NotFound where the room is not known, UnknownEvents where `origin` keeps to itself what is needed, and
        what `Transport.send` does.
        """
        try:
            return await self._receiver.receive(event)
        except UnknownEvents as unknown:
            if set(unknown.event_ids) & set(event.prev_events):
                for earlier in await self._between(event, origin):
                    await self._take_earlier(earlier, origin)
        return await self._take_with_state(event, origin)

    async def _between(self, event: Event, origin: ServerName) -> list[Event]:
        """Events between what is here and the event, oldest first; none where `origin` does not tell."""
        head = await self._heads.get(event.room_id)
        # What is older was before anybody here entered the room, and is history, not news.
        oldest = await self._db.read(first_depth, head.nid)
        try:
            pdus = await self._calls.missing_events(
                origin,
                event.room_id,
                earliest=head.extremities,
                latest=[event.event_id],
                limit=MOST_MISSING,
                min_depth=oldest,
            )
        except MatrixError as error:
            log.info("%s does not tell what came before %s: %s", origin, event.event_id, error)
            return []
        events = await self._checks.usable(pdus, event.version)
        in_room = [
            one
            for one in events
            if one.room_id == event.room_id and one.event_id != event.event_id and one.depth >= oldest
        ]
        return sorted(in_room, key=lambda one: one.depth)[-MOST_MISSING:]

    async def _take_earlier(self, event: Event, origin: ServerName) -> None:
        try:
            await self._take_with_state(event, origin)
        except (MatrixError, UnknownEvents) as error:
            # What comes after it is asked for with its state then.
            log.info("event %s cannot be had from %s: %s", event.event_id, origin, error)

    async def _take_with_state(self, event: Event, origin: ServerName) -> Received:
        try:
            return await self._receiver.receive(event)
        except UnknownEvents as unknown:
            if not set(unknown.event_ids) & set(event.prev_events):
                await self._states.add_auth_chain(event, origin)
                return await self._receiver.receive(event)
        given = await self._states.before(event, origin)
        try:
            return await self._receiver.receive(event, given)
        except UnknownEvents:
            await self._states.add_auth_chain(event, origin)
            return await self._receiver.receive(event, given)
