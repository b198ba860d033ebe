"""Tables federation_destination and federation_outgoing: how far each server is behind."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import RoomID, ServerName
from homeserver.storage.engine import Transaction


class Destination(NamedTuple):
    """`position` is that up to which it has everything. Times are in ms, None while it answers."""

    server: ServerName
    position: int
    failing_since: int | None
    retry_at: int | None


class OutgoingEvent(NamedTuple):
    position: int
    room_id: RoomID
    version: str
    client: bytes
    federation: bytes


# The events that a server is to have, each in the room while the server was.
_PENDING = """
    FROM federation_outgoing o
    JOIN room r ON r.nid = o.room
    JOIN room_event_body b ON b.nid = o.event
    WHERE o.position > %(after)s AND o.origin <> %(server)s AND EXISTS (
        SELECT 1 FROM federation_room_server s
        WHERE s.room = o.room AND s.server = %(server)s AND s.first <= o.position AND s.last >= o.position
    )
"""
_IS_NEWEST = """
    AND NOT EXISTS (
        SELECT 1 FROM federation_outgoing n JOIN federation_room_server t
        ON t.room = n.room AND t.server = %(server)s AND t.first <= n.position AND t.last >= n.position
        WHERE n.room = o.room AND n.position > o.position AND n.origin <> %(server)s
    )
"""


def pending_events(
    txn: Transaction, server: ServerName, after: int, limit: int, *, newest_only: bool
) -> list[OutgoingEvent]:
    """The oldest events that the server lacks; with `newest_only` only the last one of each room."""
    rows = txn.rows(
        "SELECT o.position, r.room_id, r.version, b.client, b.federation"
        + _PENDING
        + (_IS_NEWEST if newest_only else "")
        + " ORDER BY o.position LIMIT %(limit)s",
        server=server, after=after, limit=limit,
    )  # fmt: skip
    return [
        OutgoingEvent(position, RoomID(room_id), version, bytes(client), bytes(federation))
        for position, room_id, version, client, federation in rows
    ]


def insert_outgoing(txn: Transaction, rows: Iterable[tuple[int, int, int, ServerName]], now_ms: int) -> None:
    """Each is (position, room, event, origin), short ids the second and third."""
    txn.execute_many(
        """
        INSERT INTO federation_outgoing (position, room, event, origin, added_at)
        VALUES (%(position)s, %(room)s, %(event)s, %(origin)s, %(now_ms)s)
        """,
        [
            {"position": position, "room": room, "event": event, "origin": origin, "now_ms": now_ms}
            for position, room, event, origin in rows
        ],
    )


def add_destinations(txn: Transaction, servers: Collection[ServerName], position: int) -> None:
    """Servers to which nothing from before the position is sent, unless they are known already."""
    txn.execute_many(
        """
        INSERT INTO federation_destination (server, position) VALUES (%(server)s, %(position)s)
        ON CONFLICT (server) DO NOTHING
        """,
        [{"server": server, "position": position} for server in sorted(servers)],
    )


def destination(txn: Transaction, server: ServerName) -> Destination | None:
    row = txn.row(
        "SELECT server, position, failing_since, retry_at FROM federation_destination WHERE server = %(server)s",
        server=server,
    )
    return None if row is None else Destination(ServerName(row[0]), *row[1:])


def servers_behind(txn: Transaction) -> list[ServerName]:
    """Who lacks anything. It looks at everything that waits: for the start of the server."""
    rows = txn.rows(
        """
        SELECT d.server FROM federation_destination d
        WHERE EXISTS (
            SELECT 1 FROM federation_waiting_edu w WHERE w.server = d.server
        ) OR EXISTS (
            SELECT 1 FROM federation_outgoing o JOIN federation_room_server s ON s.room = o.room
            WHERE s.server = d.server AND s.first <= o.position AND s.last >= o.position
                AND o.position > d.position AND o.origin <> d.server
        )
        ORDER BY d.server
        """
    )
    return [ServerName(server) for (server,) in rows]


def delivered(txn: Transaction, server: ServerName, position: int, edus: Sequence[int]) -> None:
    """The server has everything up to the position, and these EDUs."""
    txn.execute(
        """
        UPDATE federation_destination SET position = %(position)s, failing_since = NULL, retry_at = NULL
        WHERE server = %(server)s AND (position < %(position)s OR failing_since IS NOT NULL)
        """,
        server=server, position=position,
    )  # fmt: skip
    if edus:
        txn.execute("DELETE FROM federation_waiting_edu WHERE nid IN %(edus)s", edus=list(edus))


def failed(txn: Transaction, server: ServerName, now_ms: int, retry_at: int) -> None:
    """The server could not be reached; it is tried again at `retry_at`, in ms."""
    txn.execute(
        """
        UPDATE federation_destination
        SET failing_since = coalesce(failing_since, %(now_ms)s), retry_at = %(retry_at)s
        WHERE server = %(server)s
        """,
        server=server, now_ms=now_ms, retry_at=retry_at,
    )  # fmt: skip


def delete_old(txn: Transaction, before_ms: int) -> int:
    """Deletes what is older than that; the position up to which nobody waits for anything any more."""
    row = txn.row(
        "SELECT max(position) FROM federation_outgoing WHERE added_at < %(before)s", before=before_ms
    )
    expired = 0 if row is None or row[0] is None else int(row[0])
    txn.execute("DELETE FROM federation_outgoing WHERE position <= %(expired)s", expired=expired)
    txn.execute("DELETE FROM federation_waiting_edu WHERE added_at < %(before)s", before=before_ms)
    return expired


def delete_had_by_all(txn: Transaction, upto: int) -> int:
    """Deletes events that nobody lacks; the position up to which there are none.

    `upto` is a position up to which all was sent to those who are not behind, whose own positions do not move while
    there is nothing for them.
    """
    behind = servers_behind(txn)
    row = txn.row(
        "SELECT min(position) FROM federation_destination WHERE server IN %(behind)s", behind=behind
    )
    had = upto if row is None or row[0] is None else min(upto, int(row[0]))
    txn.execute("DELETE FROM federation_outgoing WHERE position <= %(had)s", had=had)
    return had


def delete_idle_destinations(txn: Transaction) -> None:
    """Servers that are in no room, have left none lately, and are to be sent nothing."""
    txn.execute(
        """
        DELETE FROM federation_destination WHERE NOT EXISTS (
            SELECT 1 FROM federation_room_server s WHERE s.server = federation_destination.server
        ) AND NOT EXISTS (
            SELECT 1 FROM federation_waiting_edu w WHERE w.server = federation_destination.server
        )
        """
    )
