"""Taking back what events did to their room since it was entered, so that they can be received once more."""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID
from homeserver.rooms.store.events import Entrance, enter_timeline
from homeserver.rooms.store.graph import delete_refusals
from homeserver.rooms.store.spans import OPEN
from homeserver.storage.engine import Transaction


class Arrival(NamedTuple):
    """An event that came to the end of the room's timeline, or was refused there; `at` is where that was."""

    nid: int
    event_id: EventID
    slot: int | None
    at: int


def arrivals_after(txn: Transaction, room: int, position: int) -> list[Arrival]:
    """Those after a position, in the order in which they came."""
    rows = txn.rows(
        """
        SELECT e.nid, e.event_id, e.slot, coalesce(e.position, f.position) FROM room_event e
        LEFT JOIN room_refused_event f ON f.event = e.nid
        WHERE e.room = %(room)s AND e.is_history = 0 AND coalesce(e.position, f.position) > %(position)s
        ORDER BY 4, e.nid
        """,
        room=room, position=position,
    )  # fmt: skip
    return [Arrival(nid, EventID(event_id), slot, at) for nid, event_id, slot, at in rows]


def has_refused_after(txn: Transaction, room: int, position: int) -> bool:
    row = txn.row(
        """
        SELECT 1 FROM room_refused_event f JOIN room_event e ON e.nid = f.event
        WHERE e.room = %(room)s AND f.position > %(position)s
        """,
        room=room, position=position,
    )  # fmt: skip
    return row is not None


def history_after(txn: Transaction, room: int, position: int, line: int) -> list[tuple[int, int | None]]:
    """Events (short id and slot) that came late to a place after a position, or whose states rest on later numbers
    of the room's line."""
    rows = txn.rows(
        """
        SELECT e.nid, e.slot FROM room_event e JOIN room_event_state x ON x.event = e.nid
        WHERE e.room = %(room)s AND e.is_history = 1
          AND (e.position > %(position)s OR x.before_line > %(line)s OR x.after_line > %(line)s)
        ORDER BY e.position
        """,
        room=room, position=position, line=line,
    )  # fmt: skip
    return [(nid, slot) for nid, slot in rows]


def take_back(txn: Transaction, room: int, line: int, arrivals: Sequence[Arrival]) -> None:
    """Puts events beside the timeline as if they had never been judged, and the room back to a number of its line."""
    nids = [one.nid for one in arrivals]
    enter_timeline(txn, [Entrance(nid, None, 0, 0, None, on_fork=False) for nid in nids])
    delete_refusals(txn, nids)
    txn.execute(
        "UPDATE room_event SET redacted_by = NULL WHERE room = %(room)s AND redacted_by IN %(nids)s",
        room=room,
        nids=nids,
    )
    delete_states(txn, nids)
    at = {"room": room, "line": line, "open": OPEN}
    txn.execute("DELETE FROM room_state_span WHERE room = %(room)s AND from_line > %(line)s", **at)
    txn.execute(
        """
        UPDATE room_state_span SET to_line = %(open)s
        WHERE room = %(room)s AND to_line > %(line)s AND to_line < %(open)s
        """,
        **at,
    )


def delete_states(txn: Transaction, nids: Sequence[int]) -> None:
    """The states around events."""
    txn.execute("DELETE FROM room_event_state WHERE event IN %(nids)s", nids=list(nids))
    overrides = [number for nid in nids for number in (2 * nid, 2 * nid + 1)]
    txn.execute("DELETE FROM room_override WHERE nid IN %(nids)s", nids=overrides)
