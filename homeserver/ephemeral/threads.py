"""Which thread an event belongs to, as far as receipts ask.

https://spec.matrix.org/v1.19/client-server-api/#threaded-read-receipts
"""

from homeserver.ephemeral.asked_of_rooms import RoomEvents
from homeserver.protocol.identifiers import EventID, RoomID

MAIN = "main"
UNTHREADED = ""

_MOST_HOPS = 3


async def may_read_in_thread(events: RoomEvents, room_id: RoomID, event_id: EventID, thread: str) -> bool:
    """Whether a receipt for `thread`, MAIN or the event ID of a thread's root, can be at an event.

    The root and what relates to it in other ways than m.thread are in the main timeline, but clients show
    them with the thread too, so both kinds of receipt can be there.
    """
    current = event_id
    for _ in range(_MOST_HOPS):
        if current == thread:
            return True
        relation = await events.relation_of(room_id, current)
        if relation is None:
            return thread == MAIN
        rel_type, current = relation
        if rel_type == "m.thread":
            return thread == current
    return thread in (MAIN, current)
