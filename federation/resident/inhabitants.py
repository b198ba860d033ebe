"""Which of some rooms users of another server are in or invited to; reads tables of rooms."""

from collections.abc import Collection

from federation.outgoing.room_servers_store import STILL
from homeserver.protocol.identifiers import RoomID, ServerName, server_of
from homeserver.storage.engine import Transaction


def rooms_entered(
    txn: Transaction, server: ServerName, rooms: Collection[int], room_ids: Collection[RoomID]
) -> tuple[set[int], set[RoomID]]:
    """Those of the rooms, given by short ids and by IDs, that another server is in."""
    rows = txn.rows(
        """
        SELECT r.nid, r.room_id FROM room r
        JOIN federation_room_server s ON s.room = r.nid AND s.server = %(server)s AND s.last = %(still)s
        WHERE r.nid IN %(rooms)s OR r.room_id IN %(room_ids)s
        """,
        server=server, still=STILL, rooms=list(rooms), room_ids=list(room_ids),
    )  # fmt: skip
    return {room for room, _ in rows}, {RoomID(room_id) for _, room_id in rows}


def rooms_inviting(txn: Transaction, server: ServerName, rooms: Collection[int]) -> set[int]:
    """Those of the rooms to which some user of the server is invited."""
    rows = txn.rows(
        """
        SELECT m.room, u.user_id FROM room_member m JOIN known_user u ON u.nid = m.user_nid
        WHERE m.room IN %(rooms)s AND m.membership = 'invite' AND u.user_id LIKE %(pattern)s
        """,
        rooms=list(rooms), pattern=f"%:{server}",
    )  # fmt: skip
    # The end of a user ID may be a port, too.
    return {room for room, user_id in rows if server_of(user_id) == server}
