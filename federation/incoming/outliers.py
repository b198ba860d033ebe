"""Events that other servers show as the reasons of others: state and what authorised it.

https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
"""

import logging
from collections.abc import Mapping, Sequence

from homeserver.protocol.auth_graph import auth_event_ids, ids_in_auth_order
from homeserver.protocol.event_auth import AuthRejected, check_auth, check_auth_events
from homeserver.protocol.events import Event, StoredForms, from_stored, stored_forms
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.rooms.graph.vertices import Aside
from homeserver.rooms.head import Heads
from homeserver.rooms.receive import EventReceiver
from homeserver.rooms.store.events import event_nids, stored_pdus
from homeserver.runtime.threads import Threads
from homeserver.runtime.together import both
from homeserver.storage.database import Database

log = logging.getLogger(__name__)


def authorised(
    room_id: RoomID, events: Sequence[Event], here: Mapping[EventID, Event] | None = None
) -> list[Event]:
    """Those of the events that what they cite allows, each after what it cites.

    What is cited is among the events, or `here`. Events that are not of the room are left out.
    """
    allowed: dict[EventID, Event] = dict(here or {})
    by_id = {event.event_id: event for event in events if event.room_id == room_id}
    passed = []
    for event_id in _cited_first(by_id):
        event = by_id[event_id]
        cited = [allowed[one] for one in auth_event_ids(event) if one in allowed]
        if len(cited) < len(auth_event_ids(event)):
            continue
        try:
            check_auth_events(event, [allowed[one] for one in event.auth_events])
            check_auth(event, {one.slot: one for one in cited})
        except AuthRejected as error:
            log.info("event %s of another server is left out: %s", event_id, error)
            continue
        allowed[event_id] = event
        passed.append(event)
    return passed


def _cited_first(by_id: Mapping[EventID, Event]) -> list[EventID]:
    try:
        return ids_in_auth_order(by_id)
    except ValueError:
        # No honest server has such events, and none of the rules could pass them.
        return []


def _allowed(
    room_id: RoomID, events: Sequence[Event], here: Mapping[EventID, Event]
) -> tuple[list[Event], dict[EventID, StoredForms]]:
    passed = authorised(room_id, events, here)
    return passed, {event.event_id: stored_forms(event) for event in passed}


class Outliers:
    """Stores beside the timeline what other servers show of a room."""

    def __init__(self, heads: Heads, receiver: EventReceiver, db: Database, threads: Threads) -> None:
        self._heads = heads
        self._receiver = receiver
        self._db = db
        self._threads = threads

    async def add(self, room_id: RoomID, events: Sequence[Event]) -> Sequence[Aside]:
        """Stores those of the events that are new and allowed, and tells which those are.

        Their format, signatures and hashes were checked.
        """
        # Nearly all of them are, and while they are looked at in a thread, the database has nothing else to do.
        (passed, forms), announced = await both(
            self._new_and_allowed(room_id, events), self._receiver.announce(events)
        )
        if not passed:
            return ()
        return await self._receiver.add_outliers(room_id, passed, announced._replace(forms=forms))

    async def _new_and_allowed(
        self, room_id: RoomID, events: Sequence[Event]
    ) -> tuple[Sequence[Event], Mapping[EventID, StoredForms]]:
        known = await self._db.read(event_nids, [event.event_id for event in events])
        new = [event for event in events if event.event_id not in known]
        if not new:
            return (), {}
        here = await self._cited(room_id, new)
        return await self._threads.run(_allowed, room_id, new, here)

    async def _cited(self, room_id: RoomID, events: Sequence[Event]) -> dict[EventID, Event]:
        """What the events cite and is here; not what was rejected or is of another room, which authorises nothing."""
        head = await self._heads.get(room_id)
        cited = {one for event in events for one in auth_event_ids(event)}
        pdus = await self._db.read(stored_pdus, head.nid, cited)
        read = (
            from_stored(pdu.client, pdu.federation, room_id, head.version)
            for pdu in pdus
            if not pdu.is_rejected
        )
        return {event.event_id: event for event in read if event.is_state}
