"""What kicks and bans redact; reads tables room_event and room_member."""

from collections.abc import Collection
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID
from homeserver.storage.engine import Transaction


class Removal(NamedTuple):
    """The event of the short id `nid`, in a room that is given by its own."""

    nid: int
    event_id: EventID
    room: int


def removals_of_senders(txn: Transaction, events: Collection[int]) -> list[tuple[int, Removal]]:
    """For those of the events (short ids) whose senders were removed by others: what removed them, if that stands."""
    rows = txn.rows(
        """
        SELECT e.nid, r.nid, r.event_id, r.room FROM room_event e
        JOIN room_member m ON m.room = e.room AND m.user_nid = e.sender AND m.membership IN ('leave', 'ban')
        JOIN room_event r ON r.nid = m.event AND r.sender <> m.user_nid AND r.redacted_by IS NULL
        WHERE e.nid IN %(events)s
        """,
        events=list(events),
    )
    return [(nid, Removal(by, EventID(event_id), room)) for nid, by, event_id, room in rows]


def redacted_by_removal(txn: Transaction, room: int, user_id: str, removal: int) -> list[EventID]:
    rows = txn.rows(
        """
        SELECT e.event_id FROM known_user u JOIN room_event e ON e.room = %(room)s AND e.sender = u.nid
        WHERE u.user_id = %(user_id)s AND e.redacted_by = %(removal)s
        """,
        room=room, user_id=user_id, removal=removal,
    )  # fmt: skip
    return [EventID(event_id) for (event_id,) in rows]


def sent_before(txn: Transaction, room: int, user: int, position: int) -> list[tuple[int, bool]]:
    """The short ids of what a user sent to a room before a position, and of what has no place there.

    With each, whether it came in the order of the timeline.
    """
    rows = txn.rows(
        """
        SELECT e.nid, e.position, e.is_history FROM room_event e
        JOIN room_event_type t ON t.nid = e.type AND t.type <> 'm.room.create'
        WHERE e.room = %(room)s AND e.sender = %(user)s AND coalesce(e.position, 0) < %(position)s
        """,
        room=room, user=user, position=position,
    )  # fmt: skip
    return [(nid, at is not None and not is_history) for nid, at, is_history in rows]
