"""Events that other servers show as the reasons of others: state and what authorised it.

https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

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


@dataclass(frozen=True, slots=True)
class Judged:
    """Events that what they cite allows, each after what it cites, and why others of them are not allowed."""

    passed: list[Event] = field(default_factory=list)
    refused: dict[EventID, str] = field(default_factory=dict)


def authorised(room_id: RoomID, events: Sequence[Event]) -> list[Event]:
    """Those of the events that what they cite among them allows, each after what it cites."""
    return judged(room_id, events, {}, ()).passed


def judged(
    room_id: RoomID, events: Sequence[Event], here: Mapping[EventID, Event], rejected: Collection[EventID]
) -> Judged:
    """What is cited is among the events, or `here`, where some were `rejected`.

    Events are left out that are not of the room, or cite what is nowhere.
    """
    allowed = dict(here)
    by_id = {event.event_id: event for event in events if event.room_id == room_id}
    outcome = Judged()
    passed, refused = outcome.passed, outcome.refused
    for event_id in _cited_first(by_id):
        event = by_id[event_id]
        cited = [allowed[one] for one in auth_event_ids(event) if one in allowed]
        if len(cited) < len(auth_event_ids(event)):
            others = [one for one in auth_event_ids(event) if one not in allowed]
            if all(one in refused or one in rejected for one in others):
                refused[event_id] = "An auth event was rejected"
            continue
        try:
            check_auth_events(event, [allowed[one] for one in event.auth_events])
            check_auth(event, {one.slot: one for one in cited})
        except AuthRejected as error:
            refused[event_id] = str(error)
            continue
        allowed[event_id] = event
        passed.append(event)
    return outcome


def _cited_first(by_id: Mapping[EventID, Event]) -> list[EventID]:
    try:
        return ids_in_auth_order(by_id)
    except ValueError:
        # No honest server has such events, and none of the rules could pass them.
        return []


def _judged_and_written(
    room_id: RoomID, events: Sequence[Event], here: Mapping[EventID, Event], rejected: Collection[EventID]
) -> tuple[Judged, dict[EventID, StoredForms]]:
    outcome = judged(room_id, events, here, rejected)
    kept = (event for event in events if event.event_id in outcome.refused)
    return outcome, {event.event_id: stored_forms(event) for event in chain(outcome.passed, kept)}


class Outliers:
    """Stores beside the timeline what other servers show of a room."""

    def __init__(self, heads: Heads, receiver: EventReceiver, db: Database, threads: Threads) -> None:
        self._heads = heads
        self._receiver = receiver
        self._db = db
        self._threads = threads

    async def add(self, room_id: RoomID, events: Sequence[Event]) -> Sequence[Aside]:
        """Stores those of the events that are new, and tells which of them are allowed.

        The others are rejected, and so will be what cites them. The format, signatures and hashes of all were checked.
        """
        # Nearly all of them are, and while they are looked at in a thread, the database has nothing else to do.
        (outcome, forms), announced = await both(
            self._new_and_judged(room_id, events), self._receiver.announce(events)
        )
        if not forms:
            return ()
        for event_id, reason in outcome.refused.items():
            log.info("event %s of another server is rejected: %s", event_id, reason)
        refused = [event for event in events if event.event_id in outcome.refused]
        asides = await self._receiver.add_outliers(
            room_id, [*outcome.passed, *refused], announced._replace(forms=forms), outcome.refused
        )
        return [aside for aside in asides if aside.refusal is None] if refused else asides

    async def _new_and_judged(
        self, room_id: RoomID, events: Sequence[Event]
    ) -> tuple[Judged, Mapping[EventID, StoredForms]]:
        known = await self._db.read(event_nids, [event.event_id for event in events])
        new = [event for event in events if event.event_id not in known]
        if not new:
            return Judged(), {}
        here, rejected = await self._cited(room_id, new)
        return await self._threads.run(_judged_and_written, room_id, new, here, rejected)

    async def _cited(
        self, room_id: RoomID, events: Sequence[Event]
    ) -> tuple[dict[EventID, Event], set[EventID]]:
        """What the events cite and is here, by ID, and what of it was rejected and so authorises nothing."""
        head = await self._heads.get(room_id)
        cited = {one for event in events for one in auth_event_ids(event)}
        pdus = await self._db.read(stored_pdus, head.nid, cited)
        read = (
            from_stored(pdu.client, pdu.federation, room_id, head.version)
            for pdu in pdus
            if not pdu.is_rejected
        )
        here = {event.event_id: event for event in read if event.is_state}
        return here, {pdu.event_id for pdu in pdus if pdu.is_rejected}
