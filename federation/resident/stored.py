"""Events and states of rooms as other servers get them, from the tables of rooms."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.stored_pdus import redacted_pdu, stored_pdu
from homeserver.rooms.graph.auth_graph import RoomKey
from homeserver.rooms.graph.resolution import Resolver
from homeserver.rooms.store.graph import graph_events
from homeserver.storage.engine import Transaction


class StoredEvent(NamedTuple):
    """An event with its two stored halves, and what redacted it."""

    nid: int
    client: bytes
    federation: bytes
    redacted_by: int | None

    def pdu(self, room: RoomKey, *, hidden: bool = False) -> bytes:
        """As JSON; of a `hidden` event no more than a redaction leaves."""
        write = redacted_pdu if hidden or self.redacted_by is not None else stored_pdu
        return write(self.client, self.federation, room.room_id, room.version)


def pdus_of(txn: Transaction, room: RoomKey, nids: Collection[int]) -> list[bytes]:
    """The events as JSON, each after those that authorise it."""
    rows = txn.rows(
        """
        SELECT e.nid, b.client, b.federation, e.redacted_by FROM room_event e
        JOIN room_event_body b ON b.nid = e.nid
        WHERE e.nid IN %(nids)s ORDER BY e.nid
        """,
        nids=list(nids),
    )
    return [StoredEvent(*row).pdu(room) for row in rows]


def state_before(txn: Transaction, room: RoomKey, event_id: EventID) -> Mapping[int, int]:
    """The state before an event of the room: events by slot, as short ids. Raises NotFound."""
    event = graph_events(txn, [event_id]).get(event_id)
    if event is None or event.room != room.nid or event.states is None or event.is_rejected:
        raise NotFound("The state before this event is not known here")
    resolver = Resolver(txn, room)
    return resolver.all_values(resolver.read(event.states.before))


def auth_chain(txn: Transaction, room: RoomKey, nids: Collection[int]) -> set[int]:
    """All that authorises state events, without those themselves unless they authorise others."""
    rows = txn.rows(
        """
        WITH RECURSIVE chain (event) AS (
            SELECT cited FROM room_auth_edge WHERE citing IN %(nids)s
            UNION
            SELECT g.cited FROM chain c JOIN room_auth_edge g ON g.citing = c.event
        )
        SELECT event FROM chain
        """,
        nids=list(nids),
    )
    # The create event, on which all rest, has the number of the room, and nothing is said of it in the table.
    return {event for (event,) in rows} | {room.nid}
