"""What is sent to a server at once, and is the same until the server has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from federation.outgoing.fleeting import NOTHING, Taken
from federation.outgoing.store import OutgoingEvent, pending_events
from federation.outgoing.waiting_edus import oldest_edus
from homeserver.protocol.events import from_stored
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject, decode_json, encode_json
from homeserver.protocol.room_versions import room_version
from homeserver.storage.engine import Transaction as DatabaseTransaction

MOST_PDUS, MOST_EDUS = 50, 100
"""https://spec.matrix.org/v1.19/server-server-api/#transactions"""
_MOST_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Transaction:
    """With it the server has everything up to `position`. `edu_nids` are the numbers of `stored_edus`."""

    origin_server_ts: int
    pdus: Sequence[JsonObject]
    stored_edus: Sequence[JsonObject]
    position: int
    edu_nids: Sequence[int]
    fleeting: Taken = NOTHING

    @property
    def edus(self) -> Sequence[JsonObject]:
        return [*self.stored_edus, *self.fleeting.edus]

    @property
    def is_stored(self) -> bool:
        """Whether it is more than what may be lost."""
        return bool(self.pdus or self.stored_edus)

    @property
    def transaction_id(self) -> str:
        """One of its own for every content: so none ever stands for another, whatever happened in between."""
        content = encode_json([self.origin_server_ts, self.pdus, self.edus])
        return blake2b(content, digest_size=16).hexdigest()


def next_transaction(
    txn: DatabaseTransaction, server: ServerName, after: int, now_ms: int, *, newest_only: bool
) -> Transaction | None:
    """The oldest of what the server lacks after a position; None where it lacks nothing."""
    events = _fitting(pending_events(txn, server, after, MOST_PDUS, newest_only=newest_only))
    waiting = oldest_edus(txn, server, MOST_EDUS)
    if not events and not waiting:
        return None
    return Transaction(
        origin_server_ts=now_ms,
        pdus=[_pdu(event) for event in events],
        stored_edus=[decode_json(edu.edu) for edu in waiting],
        position=events[-1].position if events else after,
        edu_nids=[edu.nid for edu in waiting],
    )


def _fitting(events: Sequence[OutgoingEvent]) -> Sequence[OutgoingEvent]:
    """As many as are not too large together, but at least one."""
    size = 0
    for count, event in enumerate(events):
        size += len(event.client) + len(event.federation)
        if count and size > _MOST_BYTES:
            return events[:count]
    return events


def _pdu(event: OutgoingEvent) -> JsonObject:
    version = room_version(event.version)
    return from_stored(event.client, event.federation, event.room_id, version).pdu()
