"""The spans of a room's line read whole, and written anew."""

from collections.abc import Mapping

from homeserver.rooms.store.spans import EVER, OPEN, Span, insert_spans
from homeserver.storage.engine import Transaction

_SPANS = "SELECT room, slot, from_line, to_line, event FROM room_state_span WHERE room = %(room)s"


def spans_from_ever(txn: Transaction, room: int) -> dict[int, int]:
    """The state that the line began with, event by slot: what other servers told of a room that they made."""
    rows = txn.rows(
        _SPANS + " AND from_line = %(ever)s ORDER BY to_line DESC", room=room, ever=EVER
    )  # Of several, the first to end counts.
    return {slot: event for _, slot, _, _, event in rows}


def spans_ending(txn: Transaction, room: int, after: int, upto: int) -> set[Span]:
    """Those that ended at numbers after < number <= upto."""
    rows = txn.rows(
        _SPANS + " AND to_line > %(after)s AND to_line <= %(upto)s", room=room, after=after, upto=upto
    )
    return {Span(*row) for row in rows}


def spans_outside(txn: Transaction, room: int, last: int) -> set[Span]:
    """Those that are open, and those that ended where no line ends that goes from 0 to `last`."""
    rows = txn.rows(_SPANS + " AND (to_line > %(last)s OR to_line <= 0)", room=room, last=last)
    return {Span(*row) for row in rows}


def values_changed_at(txn: Transaction, room: int, line: int) -> dict[int, int | None]:
    """What became of slots at a number of the line, event by slot; None for those that nothing stands in any more."""
    rows = txn.rows(
        """
        SELECT slot, NULL FROM room_state_span WHERE room = %(room)s AND to_line = %(line)s
        UNION ALL
        SELECT slot, event FROM room_state_span WHERE room = %(room)s AND from_line = %(line)s
        """,
        room=room, line=line,
    )  # fmt: skip
    changed: dict[int, int | None] = {}
    for slot, event in rows:
        changed[slot] = changed.get(slot) if event is None else event
    return changed


def begin_line(txn: Transaction, room: int, state: Mapping[int, int]) -> None:
    """Deletes the room's line but for the state at its beginning, event by slot."""
    txn.execute("DELETE FROM room_state_span WHERE room = %(room)s", room=room)
    insert_spans(txn, [Span(room, slot, EVER, OPEN, event) for slot, event in state.items()])
