"""The state before an event, where other servers have to be asked for it.

https://spec.matrix.org/v1.19/server-server-api/#retrieving-events
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from federation.client.events import EventCalls, StateIdsAnswer
from federation.incoming.outliers import Outliers
from federation.incoming.pdu_checks import PduChecks
from homeserver.protocol.errors import MatrixError, RemoteUnreachable
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID, ServerName
from homeserver.protocol.json import JsonObject
from homeserver.rooms.graph.newcomer import GivenState
from homeserver.rooms.head import Heads
from homeserver.rooms.store.events import event_nids
from homeserver.rooms.store.graph import slots_of_events
from homeserver.storage.database import Database

# Of so few missing events each is asked for; of more, all of the state.
_ASKED_ONE_BY_ONE = 20


@dataclass(frozen=True, slots=True)
class ToldState:
    """The state before an event, and those of its events and of what authorises them that were not here."""

    given: GivenState
    news: Mapping[EventID, Event]


class RemoteStates:
    def __init__(
        self, calls: EventCalls, checks: PduChecks, outliers: Outliers, heads: Heads, db: Database
    ) -> None:
        self._calls = calls
        self._checks = checks
        self._outliers = outliers
        self._heads = heads
        self._db = db

    async def before(self, event: Event, origin: ServerName) -> GivenState:
        """The state before the event as `origin` tells it, of which everything that is allowed is here now.

        Raises what `Transport.send` does.
        """
        return (await self.told(event, origin)).given

    async def told(self, event: Event, origin: ServerName) -> ToldState:
        """As `before`, with what came of it."""
        answer = await self._calls.state_ids(origin, event.room_id, event.event_id)
        events = await self._fetch(event, origin, answer)
        room = await self._heads.nid_of(event.room_id)
        given = await self._db.read(slots_of_events, room, answer.pdu_ids)
        return ToldState(given, {one.event_id: one for one in events})

    async def add_auth_chain(self, event: Event, origin: ServerName) -> None:
        """Brings in what authorises the event. Raises what `Transport.send` does."""
        pdus = await self._calls.event_auth(origin, event.room_id, event.event_id)
        await self._outliers.add(event.room_id, await self._checks.usable(pdus, event.version))

    async def _fetch(self, event: Event, origin: ServerName, answer: StateIdsAnswer) -> list[Event]:
        wanted = {*answer.pdu_ids, *answer.auth_chain_ids}
        here = await self._db.read(event_nids, list(wanted))
        missing = wanted - here.keys()
        if len(missing) > _ASKED_ONE_BY_ONE:
            state = await self._calls.state(origin, event.room_id, event.event_id)
            # Some servers send the same event in both lists; each is checked once.
            pdus = [msgspec.Raw(pdu) for pdu in dict.fromkeys(map(bytes, (*state.pdus, *state.auth_chain)))]
            events = await self._checks.usable(pdus, event.version)
        else:
            events = await self._checks.usable(await self._one_by_one(origin, missing), event.version)
        events = [one for one in events if one.event_id in wanted]
        await self._outliers.add(event.room_id, events)
        return events

    async def _one_by_one(self, origin: ServerName, missing: Collection[EventID]) -> list[JsonObject]:
        pdus = []
        for event_id in missing:
            try:
                pdus.append(await self._calls.event(origin, event_id))
            except RemoteUnreachable:
                # Asked again, it may tell: what is left out now would be left out for good.
                raise
            except MatrixError:
                # The state lacks one event, which is better than no state.
                continue
        return pdus
