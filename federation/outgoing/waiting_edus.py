"""Table federation_waiting_edu: EDUs that must not be lost."""

from collections.abc import Mapping
from typing import NamedTuple

from federation.outgoing.store import add_destinations
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject, encode_json
from homeserver.storage.engine import Transaction


class WaitingEdu(NamedTuple):
    """`edu` is JSON."""

    nid: int
    edu: bytes


def add_edus(
    txn: Transaction, key: str, edus: Mapping[ServerName, JsonObject], position: int, now_ms: int
) -> None:
    """Queues one EDU for each server; not again while one with the same key waits.

    `position` is where a server begins that nothing was sent to so far.
    """
    add_destinations(txn, edus.keys(), position)
    txn.execute_many(
        """
        INSERT INTO federation_waiting_edu (server, key, edu, added_at)
        VALUES (%(server)s, %(key)s, %(edu)s, %(now_ms)s) ON CONFLICT (server, key) DO NOTHING
        """,
        [
            {"server": server, "key": key, "edu": encode_json(edus[server]), "now_ms": now_ms}
            for server in sorted(edus)
        ],
    )


def replace_edus(
    txn: Transaction, key: str, edus: Mapping[ServerName, JsonObject], position: int, now_ms: int
) -> None:
    """As `add_edus`, but what waits with the same key is not sent any more."""
    txn.execute(
        "DELETE FROM federation_waiting_edu WHERE key = %(key)s AND server IN %(servers)s",
        key=key, servers=sorted(edus),
    )  # fmt: skip
    add_edus(txn, key, edus, position, now_ms)


def oldest_edus(txn: Transaction, server: ServerName, limit: int) -> list[WaitingEdu]:
    rows = txn.rows(
        """
        SELECT nid, edu FROM federation_waiting_edu WHERE server = %(server)s ORDER BY nid LIMIT %(limit)s
        """,
        server=server, limit=limit,
    )  # fmt: skip
    return [WaitingEdu(nid, bytes(edu)) for nid, edu in rows]
