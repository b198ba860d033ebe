"""What a service is sent at once, and is the same until the service has it.

https://spec.matrix.org/v1.19/application-service-api/#pushing-events
"""

from dataclasses import dataclass

from appservices.store.outbox import begin_transaction, oldest_outgoing, progress
from homeserver.protocol.json import JsonObject
from homeserver.rooms.reading import timeline_events
from homeserver.rooms.store.events import events_by_nid
from homeserver.rooms.store.heads import heads_by_nid
from homeserver.rooms.timeline_event import Viewer, show
from homeserver.storage.engine import Transaction as DatabaseTransaction

MOST_EVENTS = 100
_ANY = 2**62


@dataclass(frozen=True, slots=True)
class Transaction:
    """With it the service has every event up to `upto`."""

    transaction_id: int
    upto: int
    body: JsonObject


def next_upto(txn: DatabaseTransaction, service: str) -> int | None:
    """Settles what the next transaction is, unless one is under way: its last position, None where there is nothing.

    From then on it is the same, also after a crash, so that the service can tell that it had it.
    """
    state = progress(txn, service)
    if state is None or state.upto is not None:
        return None if state is None else state.upto
    rows = oldest_outgoing(txn, service, _ANY, MOST_EVENTS)
    if not rows:
        return None
    begin_transaction(txn, service, rows[-1][0])
    return rows[-1][0]


def read_transaction(txn: DatabaseTransaction, service: str, now_ms: int) -> Transaction | None:
    """The one under way."""
    state = progress(txn, service)
    if state is None or state.upto is None:
        return None
    rows = oldest_outgoing(txn, service, state.upto, MOST_EVENTS)
    events = timeline_events(txn, events_by_nid(txn, [event for _, event in rows]))
    room_ids = {
        nid: head.room_id for nid, head in heads_by_nid(txn, list({one.room for one in events})).items()
    }
    viewer = Viewer(None, now_ms)
    shown = [show(event, viewer, room_id=room_ids[event.room]) for event in events]
    return Transaction(state.transaction_id, state.upto, {"events": shown})
