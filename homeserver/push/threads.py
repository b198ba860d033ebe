"""Which thread an event counts in.

https://spec.matrix.org/v1.19/client-server-api/#marking-notifications-as-read
"""

from homeserver.ephemeral.threads import MAIN
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.protocol.relations import THREAD, relation_of
from homeserver.rooms.store.events import event_by_id
from homeserver.storage.engine import Transaction

_MOST_HOPS = 3


def thread_of(txn: Transaction, room: int, content: JsonObject) -> str:
    """MAIN or the event ID of the thread's root, for an event of this content in a room (short id)."""
    for _ in range(_MOST_HOPS):
        relation = relation_of(content)
        if relation is None:
            return MAIN
        if relation.rel_type == THREAD:
            return relation.parent
        row = event_by_id(txn, relation.parent)
        if row is None or row.room != room:
            return MAIN
        content = decode_json(row.client)["content"]
    return MAIN
