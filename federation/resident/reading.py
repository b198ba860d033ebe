"""What other servers read of the rooms that they are in: history, states, single events.

https://spec.matrix.org/v1.19/server-server-api/#backfilling-and-retrieving-missing-events and #retrieving-events
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from federation.resident.access import ReadAccess
from federation.resident.stored import auth_chain, pdus_of, state_before
from federation.resident.timeline import Place, known_event, nearest_places
from federation.resident.visibility import hidden_events
from federation.resident.walk import backfill, events_between
from homeserver.protocol.auth_graph import auth_event_ids
from homeserver.protocol.errors import NotFound
from homeserver.protocol.events import from_stored
from homeserver.protocol.identifiers import EventID, RoomID, ServerName
from homeserver.rooms.graph.auth_graph import RoomKey
from homeserver.rooms.store.events import event_ids, event_nids, stored_pdus
from homeserver.rooms.store.heads import room_of_event
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_MOST_BACKFILLED = 100
_MOST_MISSING = 20
_MOST_LOOKED_AT = 100


class StatePdus(NamedTuple):
    """As JSON: the state, and its auth chain."""

    pdus: Sequence[bytes]
    auth_chain: Sequence[bytes]


class StateIds(NamedTuple):
    pdu_ids: Collection[EventID]
    auth_chain_ids: Collection[EventID]


class RoomReading:
    """All raise Forbidden for servers that are not in the room, NotFound where nobody here is.

    Those that tell of state raise NotFound also while most of the room's members are not known here.
    """

    def __init__(self, access: ReadAccess, db: Database) -> None:
        self._access = access
        self._db = db

    async def backfill(
        self, origin: ServerName, room_id: RoomID, start: Sequence[EventID], limit: int
    ) -> Sequence[bytes]:
        """PDUs as JSON, newest first: those of `start` and what they follow."""
        room = await self._access.room(room_id, origin)
        return await self._db.read(backfill, room, origin, start, min(limit, _MOST_BACKFILLED))

    async def missing_events(
        self,
        origin: ServerName,
        room_id: RoomID,
        *,
        latest: Sequence[EventID],
        earliest: Sequence[EventID],
        min_depth: int,
        limit: int,
    ) -> Sequence[bytes]:
        """PDUs as JSON, oldest first: what comes before `latest`, but not before `earliest`."""
        room = await self._access.room(room_id, origin)
        most = min(limit, _MOST_MISSING)
        return await self._db.read(events_between, room, origin, latest, earliest, min_depth, most)

    async def state(self, origin: ServerName, room_id: RoomID, event_id: EventID) -> StatePdus:
        """The state before an event. Raises NotFound where it is not known."""
        return await self._db.read(_state, await self._access.whole_room(room_id, origin), event_id)

    async def state_ids(self, origin: ServerName, room_id: RoomID, event_id: EventID) -> StateIds:
        """The same as event IDs."""
        return await self._db.read(_state_ids, await self._access.whole_room(room_id, origin), event_id)

    async def event_auth(self, origin: ServerName, room_id: RoomID, event_id: EventID) -> Sequence[bytes]:
        """All that authorises an event, as PDUs. Raises NotFound where the event is not known."""
        return await self._db.read(_event_auth, await self._access.whole_room(room_id, origin), event_id)

    async def event(self, origin: ServerName, event_id: EventID) -> bytes:
        """One event as PDU. Raises NotFound where it is not known."""
        room_id = await self._db.read(room_of_event, event_id)
        if room_id is None:
            raise NotFound("The event is not known here")
        return await self._db.read(_event, await self._access.room(room_id, origin), origin, event_id)

    async def nearest(self, origin: ServerName, room_id: RoomID, timestamp: int, *, backwards: bool) -> Place:
        """The event nearest to a time in ms, on one side of it. Raises NotFound where there is none."""
        room = await self._access.room(room_id, origin)
        return await self._db.read(_nearest, room, origin, timestamp, backwards)


def _state(txn: Transaction, room: RoomKey, event_id: EventID) -> StatePdus:
    state = state_before(txn, room, event_id).values()
    return StatePdus(pdus_of(txn, room, state), pdus_of(txn, room, auth_chain(txn, room, state)))


def _state_ids(txn: Transaction, room: RoomKey, event_id: EventID) -> StateIds:
    state = state_before(txn, room, event_id).values()
    chain = event_ids(txn, auth_chain(txn, room, state))
    return StateIds(event_ids(txn, state).values(), chain.values())


def _event_auth(txn: Transaction, room: RoomKey, event_id: EventID) -> list[bytes]:
    stored = next(iter(stored_pdus(txn, room.nid, [event_id])), None)
    if stored is None or known_event(txn, room.nid, event_id) is None:
        raise NotFound("The event is not known here")
    event = from_stored(stored.client, stored.federation, room.room_id, room.version)
    cited = set(event_nids(txn, list(auth_event_ids(event))).values())
    return pdus_of(txn, room, cited | auth_chain(txn, room, cited))


def _event(txn: Transaction, room: RoomKey, origin: ServerName, event_id: EventID) -> bytes:
    row = known_event(txn, room.nid, event_id)
    if row is None:
        raise NotFound("The event is not known here")
    # An outlier is no part of the history; it is known as state, which servers in the room may read.
    hidden = bool(row.is_placed and hidden_events(txn, room.nid, origin, [row.sighted]))
    return row.stored.pdu(room, hidden=hidden)


def _nearest(txn: Transaction, room: RoomKey, origin: ServerName, timestamp: int, backwards: bool) -> Place:
    found = nearest_places(txn, room.nid, timestamp, backwards=backwards, limit=_MOST_LOOKED_AT)
    hidden = hidden_events(txn, room.nid, origin, [place.sighted for place in found])
    for place in found:
        if place.sighted.nid not in hidden:
            return place
    raise NotFound("There is no event on that side of the time")
