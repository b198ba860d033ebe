"""What kicks and bans redact: all that the removed user sent, also what is told of later.

https://github.com/matrix-org/matrix-spec-proposals/pull/4293
"""

from collections.abc import Iterator, Sequence

from homeserver.protocol.auth_graph import auth_event_ids
from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.removals import removal_redacts, user_to_redact
from homeserver.rooms.appends import Accepted
from homeserver.rooms.graph.auth_graph import RoomKey, StoredEvents, UnknownEvents
from homeserver.rooms.store.events import mark_all_redacted, mark_redacted
from homeserver.rooms.store.removals import Removal, redacted_by_removal, removals_of_senders
from homeserver.storage.engine import Transaction


def mark_removed(txn: Transaction, events: Sequence[Accepted]) -> None:
    """Marks what the kicks and bans among the events redact, and what comes late of users removed before."""
    for removal in _removals_among(events):
        room = RoomKey(removal.room, removal.event.room_id, removal.event.version)
        mark_sent(txn, room, removal.event, removal.nid, removal.position)
    late = {event.nid: event for event in events if event.is_late}
    if late:
        _mark_late(txn, late)


def mark_sent(txn: Transaction, room: RoomKey, removal: Event, nid: int, position: int) -> None:
    """Marks what came before a kick or ban, if that is for it to redact."""
    user_id = user_to_redact(removal)
    if user_id is not None and _redacts(StoredEvents(txn, room), removal):
        mark_all_redacted(txn, room.nid, user_id, nid, position)


def redacted_by_removals(txn: Transaction, events: Sequence[Accepted]) -> Iterator[tuple[Accepted, EventID]]:
    """Kicks and bans among the events with what they redacted."""
    for removal in _removals_among(events):
        user_id = user_to_redact(removal.event)
        assert user_id is not None, "it is one of those"
        for event_id in redacted_by_removal(txn, removal.room, user_id, removal.nid):
            yield removal, event_id


def _removals_among(events: Sequence[Accepted]) -> list[Accepted]:
    return [event for event in events if user_to_redact(event.event) is not None]


def _mark_late(txn: Transaction, late: dict[int, Accepted]) -> None:
    redacts: dict[Removal, bool] = {}
    marks = []
    for nid, removal in removals_of_senders(txn, late):
        if removal not in redacts:
            event = late[nid].event
            stored = StoredEvents(txn, RoomKey(removal.room, event.room_id, event.version))
            found = stored.get(removal.event_id)
            redacts[removal] = user_to_redact(found) is not None and _redacts(stored, found)
        if redacts[removal] and late[nid].event.type != "m.room.create":
            marks.append((nid, removal.nid))
    mark_redacted(txn, marks)


def _redacts(stored: StoredEvents, removal: Event) -> bool:
    cited = auth_event_ids(removal)
    try:
        stored.load(cited)
    except UnknownEvents:
        return False
    return removal_redacts(removal, [stored.get(event_id) for event_id in cited])
