"""Events in the form in which servers send them to each other, for clients that want to see that."""

from collections.abc import Collection

from homeserver.protocol.room_versions import ROOM_VERSIONS
from homeserver.protocol.stored_pdus import redacted_pdu, stored_pdu
from homeserver.storage.engine import Transaction


def pdus_by_nid(txn: Transaction, nids: Collection[int]) -> dict[int, bytes]:
    """The events as JSON, by their short ids; redacted ones as the redaction leaves them."""
    rows = txn.rows(
        """
        SELECT e.nid, b.client, b.federation, e.redacted_by IS NOT NULL, r.room_id, r.version FROM room_event e
        JOIN room_event_body b ON b.nid = e.nid
        JOIN room r ON r.nid = e.room
        WHERE e.nid IN %(nids)s
        """,
        nids=list(nids),
    )
    pdus = {}
    for nid, client, federation, is_redacted, room_id, version in rows:
        write = redacted_pdu if is_redacted else stored_pdu
        pdus[nid] = write(client, federation, room_id, ROOM_VERSIONS[version])
    return pdus
