"""The state before an event, where other servers have to be asked for it.

https://spec.matrix.org/v1.19/server-server-api/#retrieving-events
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from federation.client.events import EventCalls
from federation.incoming.outliers import Outliers
from federation.incoming.pdu_checks import Pdu, PduChecks, each_once
from homeserver.protocol.errors import MatrixError, RemoteUnreachable
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID, RoomID, ServerName
from homeserver.protocol.json import JsonObject
from homeserver.rooms.graph.newcomer import GivenState
from homeserver.rooms.graph.vertices import Aside
from homeserver.rooms.head import Heads
from homeserver.rooms.store.events import event_nids, has_more_events
from homeserver.rooms.store.graph import slots_of_events
from homeserver.runtime.locks import KeyedLocks
from homeserver.storage.database import Database

# Of so few missing events each is asked for; of more, all of the state.
_ASKED_ONE_BY_ONE = 20


@dataclass(frozen=True, slots=True)
class ToldState:
    """The state before an event, and those of its events and of what authorises them that are here only now."""

    given: GivenState
    news: Mapping[EventID, Aside]


@dataclass(frozen=True, slots=True)
class _Lack:
    """Of the state before an event, and of what authorises it, the events that are wanted and those `missing` here."""

    event: Event
    origin: ServerName
    pdu_ids: Sequence[EventID]
    wanted: Collection[EventID]
    missing: Collection[EventID]

    @property
    def is_large(self) -> bool:
        return len(self.missing) > _ASKED_ONE_BY_ONE


class RemoteStates:
    def __init__(
        self, calls: EventCalls, checks: PduChecks, outliers: Outliers, heads: Heads, db: Database
    ) -> None:
        self._calls = calls
        self._checks = checks
        self._outliers = outliers
        self._heads = heads
        self._db = db
        self._large: KeyedLocks[ServerName] = KeyedLocks()

    async def before(self, event: Event, origin: ServerName) -> GivenState:
        """The state before the event as `origin` tells it, of which everything that is allowed is here now.

        Raises what `Transport.send` does.
        """
        lack = await self._lack(event, origin)
        if lack.is_large:
            # Who sends events decides in how many rooms this is needed, and a state may have hundreds of megabytes.
            async with self._large.held(origin):
                await self._take_in_all(lack)
        else:
            await self._take_in_missing(lack)
        return await self._given(event.room_id, lack.pdu_ids)

    async def told(self, event: Event, origin: ServerName) -> ToldState:
        """As `before`, with what came of it, for a room that somebody here entered."""
        room = await self._heads.nid_of(event.room_id)
        if not await self._db.read(has_more_events, room, _ASKED_ONE_BY_ONE):
            # Nearly all is missing, so that there is no need to ask which events there are.
            return await self._all_of_it(event, origin)
        lack = await self._lack(event, origin)
        events = await (self._take_in_all(lack) if lack.is_large else self._take_in_missing(lack))
        return ToldState(await self._given(event.room_id, lack.pdu_ids, events), _by_id(events))

    async def _all_of_it(self, event: Event, origin: ServerName) -> ToldState:
        state = await self._calls.state(origin, event.room_id, event.event_id)
        of_state = each_once(state.pdus)
        checked = await self._checks.check(each_once((*of_state, *state.auth_chain)), event.version)
        pdu_ids = [one.event_id for one in checked[: len(of_state)] if isinstance(one, Event)]
        usable = [one for one in checked if isinstance(one, Event)]
        events = await self._outliers.add(event.room_id, usable)
        return ToldState(await self._given(event.room_id, pdu_ids, events), _by_id(events))

    async def add_auth_chain(self, event: Event, origin: ServerName) -> None:
        """Brings in what authorises the event. Raises what `Transport.send` does."""
        pdus = await self._calls.event_auth(origin, event.room_id, event.event_id)
        await self._outliers.add(event.room_id, await self._checks.usable(pdus, event.version))

    async def _lack(self, event: Event, origin: ServerName) -> _Lack:
        answer = await self._calls.state_ids(origin, event.room_id, event.event_id)
        wanted = {*answer.pdu_ids, *answer.auth_chain_ids}
        here = await self._db.read(event_nids, list(wanted))
        return _Lack(event, origin, answer.pdu_ids, wanted, wanted - here.keys())

    async def _take_in_all(self, lack: _Lack) -> Sequence[Aside]:
        event = lack.event
        state = await self._calls.state(lack.origin, event.room_id, event.event_id)
        return await self._take_in(lack, each_once((*state.pdus, *state.auth_chain)))

    async def _take_in_missing(self, lack: _Lack) -> Sequence[Aside]:
        return await self._take_in(lack, await self._one_by_one(lack.origin, lack.missing))

    async def _take_in(self, lack: _Lack, pdus: Sequence[Pdu]) -> Sequence[Aside]:
        event = lack.event
        usable = await self._checks.usable(pdus, event.version)
        return await self._outliers.add(event.room_id, [one for one in usable if one.event_id in lack.wanted])

    async def _given(
        self, room_id: RoomID, pdu_ids: Sequence[EventID], at_hand: Sequence[Aside] = ()
    ) -> GivenState:
        """Where the events stand that are here, of which those `at_hand` need not be read."""
        wanted = set(pdu_ids)
        events = (aside.event for aside in at_hand)
        given = {one.slot: one.event_id for one in events if one.is_state and one.event_id in wanted}
        others = list(wanted.difference(given.values()))
        if others:
            room = await self._heads.nid_of(room_id)
            given |= await self._db.read(slots_of_events, room, others)
        return given

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


def _by_id(asides: Sequence[Aside]) -> dict[EventID, Aside]:
    return {aside.event.event_id: aside for aside in asides}
