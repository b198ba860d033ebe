"""Table federation_room_server: which other servers were in a room, from when to when."""

from collections.abc import Collection, Iterable

from homeserver.protocol.identifiers import ServerName
from homeserver.storage.engine import Transaction

STILL = 2**62
"""The last position of a server that is in the room."""


def servers_after(
    txn: Transaction, rooms: Iterable[int], position: int
) -> list[tuple[int, ServerName, int, int]]:
    """(room, server, first, last) of those who were in the rooms at the position, or came later."""
    rows = txn.rows(
        """
        SELECT room, server, first, last FROM federation_room_server
        WHERE room IN %(rooms)s AND last >= %(position)s
        """,
        rooms=list(rooms), position=position,
    )  # fmt: skip
    return [(room, ServerName(server), first, last) for room, server, first, last in rows]


def servers_in(txn: Transaction, room: int, limit: int) -> list[ServerName]:
    """Other servers that are in the room, those with the most users first."""
    rows = txn.rows(
        """
        SELECT server FROM federation_room_server WHERE room = %(room)s AND last = %(still)s
        ORDER BY joined DESC, server
        LIMIT %(limit)s
        """,
        room=room, still=STILL, limit=limit,
    )  # fmt: skip
    return [ServerName(server) for (server,) in rows]


def servers_now(txn: Transaction, rooms: Iterable[int]) -> dict[int, list[ServerName]]:
    """The other servers that are in each of the rooms; rooms without any are left out."""
    rows = txn.rows(
        """
        SELECT room, server FROM federation_room_server WHERE room IN %(rooms)s AND last = %(still)s
        ORDER BY room, server
        """,
        rooms=list(rooms), still=STILL,
    )  # fmt: skip
    found: dict[int, list[ServerName]] = {}
    for room, server in rows:
        found.setdefault(room, []).append(ServerName(server))
    return found


def is_in(txn: Transaction, room: int, server: ServerName) -> bool:
    """Whether another server is in the room."""
    row = txn.row(
        "SELECT 1 FROM federation_room_server WHERE room = %(room)s AND server = %(server)s AND last = %(still)s",
        room=room, server=server, still=STILL,
    )  # fmt: skip
    return row is not None


def servers_before(txn: Transaction, room: int, position: int) -> list[ServerName]:
    """Other servers that are in the room and were so before an event at the position."""
    rows = txn.rows(
        """
        SELECT server FROM federation_room_server
        WHERE room = %(room)s AND last = %(still)s AND first < %(position)s
        ORDER BY server
        """,
        room=room, position=position, still=STILL,
    )  # fmt: skip
    return [ServerName(server) for (server,) in rows]


def came_at(txn: Transaction, came: Collection[tuple[int, ServerName, int]]) -> list[tuple[int, ServerName]]:
    """Those that came into a room, each (room, server, position), with the first of their users at that position."""
    rooms, positions = {room for room, _, _ in came}, {position for _, _, position in came}
    if not rooms:
        return []
    rows = txn.rows(
        """
        SELECT room, server, first FROM federation_room_server
        WHERE room IN %(rooms)s AND first IN %(positions)s AND last = %(still)s
        """,
        rooms=list(rooms), positions=list(positions), still=STILL,
    )  # fmt: skip
    return [(room, ServerName(server)) for room, server, first in rows if (room, server, first) in came]


def add_joined(txn: Transaction, room: int, server: ServerName, by: int, position: int) -> None:
    """Counts users of a server who came at a position, or left where `by` is negative."""
    params = {"room": room, "server": server, "by": by, "position": position, "still": STILL}
    counted = txn.execute(
        """
        UPDATE federation_room_server SET joined = joined + %(by)s,
            last = CASE WHEN joined + %(by)s > 0 THEN last ELSE %(position)s END
        WHERE room = %(room)s AND server = %(server)s AND last = %(still)s
        """,
        **params,
    )
    if by > 0 and not counted:
        txn.execute(
            """
            INSERT INTO federation_room_server (room, server, first, last, joined)
            VALUES (%(room)s, %(server)s, %(position)s, %(still)s, %(by)s)
            """,
            **params,
        )


def add_moment(txn: Transaction, room: int, server: ServerName, position: int) -> None:
    """Has a server get the event at the position alone, unless it gets it anyhow."""
    txn.execute(
        """
        INSERT INTO federation_room_server (room, server, first, last, joined)
        SELECT CAST(%(room)s AS BIGINT), CAST(%(server)s AS TEXT), CAST(%(position)s AS BIGINT),
            CAST(%(position)s AS BIGINT), 0
        WHERE NOT EXISTS (
            SELECT 1 FROM federation_room_server
            WHERE room = %(room)s AND server = %(server)s AND first <= %(position)s AND last >= %(position)s
        )
        """,
        room=room, server=server, position=position,
    )  # fmt: skip


def delete_closed(txn: Transaction, last: int) -> None:
    """Those that ended at a position that nobody waits for any more."""
    txn.execute("DELETE FROM federation_room_server WHERE last <= %(last)s", last=last)
