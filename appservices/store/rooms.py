"""Table appservice_room: the rooms in which a service has users."""

from collections.abc import Collection, Iterable, Mapping

from homeserver.protocol.identifiers import ServerName, UserID
from homeserver.storage.engine import Transaction


def services_in(txn: Transaction, rooms: Collection[int]) -> dict[int, set[str]]:
    """The services that have users joined to the rooms, by room."""
    rows = txn.rows("SELECT room, service FROM appservice_room WHERE room IN %(rooms)s", rooms=list(rooms))
    found: dict[int, set[str]] = {}
    for room, service in rows:
        found.setdefault(room, set()).add(service)
    return found


def rooms_of_service(txn: Transaction, service: str) -> list[int]:
    rows = txn.rows("SELECT room FROM appservice_room WHERE service = %(service)s", service=service)
    return [room for (room,) in rows]


def entered_rooms(txn: Transaction, service: str, after: int, upto: int) -> list[int]:
    """The rooms into which the first of the service's users came at after < position <= upto."""
    rows = txn.rows(
        """
        SELECT room FROM appservice_room
        WHERE service = %(service)s AND since > %(after)s AND since <= %(upto)s
        ORDER BY room
        """,
        service=service, after=after, upto=upto,
    )  # fmt: skip
    return [room for (room,) in rows]


def count_joined(txn: Transaction, counts: Mapping[tuple[int, str], int], since: int) -> None:
    """How many users more, by room and service, or less where negative; `since` is for rooms without any before."""
    txn.execute_many(
        """
        INSERT INTO appservice_room (room, service, joined, since)
        VALUES (%(room)s, %(service)s, %(by)s, %(since)s)
        ON CONFLICT (room, service) DO UPDATE SET joined = appservice_room.joined + excluded.joined
        """,
        [
            {"room": room, "service": service, "by": by, "since": since}
            for (room, service), by in sorted(counts.items())
        ],
    )
    txn.execute(
        "DELETE FROM appservice_room WHERE room IN %(rooms)s AND joined <= 0",
        rooms=list({room for room, _ in counts}),
    )


def forget_rooms(txn: Transaction, service: str) -> None:
    txn.execute("DELETE FROM appservice_room WHERE service = %(service)s", service=service)


def joined_local_users(txn: Transaction, server_name: ServerName) -> Iterable[tuple[int, UserID]]:
    """(room, user) of everybody of this server in every room, a page at a time."""
    after = (0, 0)
    while True:
        rows = txn.rows(
            """
            SELECT m.room, m.user_nid, u.user_id FROM room_member m JOIN known_user u ON u.nid = m.user_nid
            WHERE (m.room > %(room)s OR (m.room = %(room)s AND m.user_nid > %(user)s))
              AND m.membership = 'join' AND u.user_id LIKE %(pattern)s
            ORDER BY m.room, m.user_nid
            LIMIT 1000
            """,
            room=after[0], user=after[1], pattern=f"%:{server_name}",
        )  # fmt: skip
        for room, _, user_id in rows:
            yield room, UserID(user_id)
        if len(rows) < 1000:
            return
        after = rows[-1][0], rows[-1][1]
