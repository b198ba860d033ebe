"""Fetching what happened in a room before the events that are here.

https://spec.matrix.org/v1.19/server-server-api/#backfilling-and-retrieving-missing-events
"""

import logging
from collections.abc import Collection, Mapping, Sequence

from federation.client.events import EventCalls
from federation.incoming.pdu_checks import PduChecks
from federation.incoming.remote_states import RemoteStates
from federation.outgoing.room_servers_store import servers_in
from homeserver.protocol.auth_graph import auth_event_ids
from homeserver.protocol.errors import MatrixError
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID, RoomID, ServerName
from homeserver.rooms.graph.auth_graph import UnknownEvents
from homeserver.rooms.graph.newcomer import GivenState
from homeserver.rooms.head import Heads
from homeserver.rooms.history import History
from homeserver.rooms.store.events import event_nids
from homeserver.rooms.store.graph import graph_events
from homeserver.runtime.tasks import run_in_background
from homeserver.storage.database import Database
from homeserver.streams.waiting import Waiting

log = logging.getLogger(__name__)

_LIMIT = 100
_MOST_SERVERS = 4
_MOST_NAMED = 20
# Where the events of an answer begin, the state has to be asked for; of so many branches at most.
_MOST_BEGINNINGS = 5
_PATIENCE_SECONDS = 10.0


class HistoryFetcher:
    """A `MissingHistory`. It fetches once at a time for each room; all who ask meanwhile share that."""

    def __init__(
        self,
        calls: EventCalls,
        checks: PduChecks,
        states: RemoteStates,
        history: History,
        heads: Heads,
        db: Database,
        waiting: Waiting,
    ) -> None:
        self._calls = calls
        self._checks = checks
        self._states = states
        self._history = history
        self._heads = heads
        self._db = db
        self._waiting = waiting
        self._fetching: set[RoomID] = set()

    async def fetch(self, room_id: RoomID, missing: Collection[EventID]) -> bool:
        """See `MissingHistory`."""
        if room_id not in self._fetching:
            self._fetching.add(room_id)
            run_in_background(f"history of {room_id}", self._run(room_id, missing))
        if room_id not in self._fetching:
            return True
        return await self._waiting.until([_topic(room_id)], _PATIENCE_SECONDS)

    async def _run(self, room_id: RoomID, missing: Collection[EventID]) -> None:
        try:
            room = await self._heads.nid_of(room_id)
            for server in await self._db.read(servers_in, room, _MOST_SERVERS):
                if await self._from(server, room_id, missing):
                    return
        finally:
            self._fetching.discard(room_id)
            self._waiting.wake([_topic(room_id)])

    async def _from(self, server: ServerName, room_id: RoomID, missing: Collection[EventID]) -> bool:
        """Whether the server had something."""
        try:
            events = await self._events(server, room_id, missing)
            given = await self._states_before(server, events)
            whole = await self._authorised(server, events)
            return bool(whole) and await self._history.add(room_id, whole, given) > 0
        except (MatrixError, UnknownEvents) as error:
            log.info("%s does not tell the history of %s: %s", server, room_id, error)
            return False

    async def _events(self, server: ServerName, room_id: RoomID, missing: Collection[EventID]) -> list[Event]:
        """What leads to the missing events and has no place here, oldest first."""
        version = (await self._heads.get(room_id)).version
        named = sorted(missing)[:_MOST_NAMED]
        pdus = await self._calls.backfill(server, room_id, named, _LIMIT)
        told = await self._checks.usable(pdus[:_LIMIT], version)
        by_id = {event.event_id: event for event in told if event.room_id == room_id}
        here = await self._db.read(graph_events, by_id.keys())
        for event_id, one in here.items():
            if one.position is not None or one.refused_softly is not None:
                del by_id[event_id]
        return sorted(_leading_to(missing, by_id), key=lambda event: event.depth)

    async def _states_before(
        self, server: ServerName, events: Sequence[Event]
    ) -> Mapping[EventID, GivenState]:
        """The states before those events of which the predecessors are not known."""
        told = {event.event_id for event in events}
        before = {prev for event in events for prev in event.prev_events} - told
        near = await self._db.read(graph_events, before)
        unknown = {prev for prev in before if prev not in near or near[prev].states is None}
        beginnings = [event for event in events if unknown & set(event.prev_events)]
        return {
            event.event_id: await self._states.before(event, server)
            for event in beginnings[:_MOST_BEGINNINGS]
        }

    async def _authorised(self, server: ServerName, events: Sequence[Event]) -> list[Event]:
        """Those of the events of which all that authorises them is here or among them."""
        cited = {cited for event in events for cited in auth_event_ids(event)}
        here = set(await self._db.read(event_nids, list(cited)))
        known = here | {event.event_id for event in events}
        lacking = [event for event in events if not known >= set(auth_event_ids(event))]
        for event in lacking[:_MOST_BEGINNINGS]:
            await self._states.add_auth_chain(event, server)
        here = set(await self._db.read(event_nids, list(cited)))
        whole = []
        for event in events:
            if here >= set(auth_event_ids(event)):
                here.add(event.event_id)
                whole.append(event)
        return whole


def _leading_to(missing: Collection[EventID], by_id: Mapping[EventID, Event]) -> list[Event]:
    found: dict[EventID, Event] = {}
    pending = {event_id for event_id in missing if event_id in by_id}
    while pending:
        found |= {event_id: by_id[event_id] for event_id in pending}
        pending = {prev for one in pending for prev in by_id[one].prev_events if prev in by_id} - found.keys()
    return list(found.values())


def _topic(room_id: RoomID) -> tuple[str, RoomID]:
    return ("history", room_id)
