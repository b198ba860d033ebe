from collections.abc import Callable

import pytest

from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.rooms.store.events import EventRow, TimelineRow, insert_bodies, insert_events
from homeserver.rooms.store.heads import HeadRow, insert_heads
from homeserver.rooms.store.spans import (
    OPEN,
    Span,
    insert_spans,
    state_rows,
    state_rows_of_slots,
    state_rows_of_type,
)
from homeserver.storage.migrate import migrate
from homeserver.storage.sqlite import MEMORY, Sqlite, SqliteTransaction

Reading = Callable[[SqliteTransaction], list[TimelineRow]]

ROOM = 1
NAME = 7


class _Steps:
    """A database in memory that counts the steps of SQLite's machine."""

    def __init__(self, engine: Sqlite) -> None:
        self._connection = engine.raw_connection()
        self.txn = SqliteTransaction(self._connection)

    def of_reading(self, read: Reading) -> tuple[int, list[int]]:
        """How many steps it took, and what was read."""
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        self._connection.set_progress_handler(count, 1)
        rows = read(self.txn)
        self._connection.set_progress_handler(None, 1)
        return steps, [row.nid for row in rows]


@pytest.mark.parametrize(
    "read",
    [
        lambda txn: state_rows(txn, ROOM, 1000),
        lambda txn: state_rows_of_type(txn, ROOM, 1000, "m.room.name"),
        lambda txn: state_rows_of_slots(txn, ROOM, 1000, ["m.room.name"], [""]),
    ],
)
def test_the_length_of_the_history_does_not_matter_for_the_current_state(read: Reading) -> None:
    engine = Sqlite(MEMORY)
    migrate(engine, progress=lambda _: None)
    database = _Steps(engine)
    database.txn.execute(
        "INSERT INTO room_slot (nid, type, state_key) VALUES (%(nid)s, 'm.room.name', '')", nid=NAME
    )
    insert_heads(database.txn, [HeadRow(ROOM, RoomID("!room:test"), "11", 1000, 1000, ())])
    insert_events(database.txn, [_name_event(line) for line in range(1, 1001)])
    insert_bodies(database.txn, [(line, b"{}", b"{}") for line in range(1, 1001)])
    insert_spans(database.txn, [Span(ROOM, NAME, 1000, OPEN, 1000)])
    alone = database.of_reading(read)
    insert_spans(database.txn, [Span(ROOM, NAME, line, line + 1, line) for line in range(1, 1000)])
    assert database.of_reading(read) == alone
    assert alone[1] == [1000]


def _name_event(line: int) -> EventRow:
    return EventRow(line, EventID(f"${line}"), ROOM, line, 1, NAME, 1, line, 0, line - 1, line, None)


@pytest.mark.parametrize("line", [1, 500, 1000])
def test_one_slot_at_an_old_line_is_one_probe(line: int) -> None:
    engine = Sqlite(MEMORY)
    migrate(engine, progress=lambda _: None)
    database = _Steps(engine)
    database.txn.execute(
        "INSERT INTO room_slot (nid, type, state_key) VALUES (%(nid)s, 'm.room.name', '')", nid=NAME
    )
    insert_heads(database.txn, [HeadRow(ROOM, RoomID("!room:test"), "11", 1000, 1000, ())])
    insert_events(database.txn, [_name_event(line) for line in range(1, 1001)])
    insert_bodies(database.txn, [(line, b"{}", b"{}") for line in range(1, 1001)])
    insert_spans(database.txn, [Span(ROOM, NAME, each, each + 1, each) for each in range(1, 1001)])
    steps, nids = database.of_reading(lambda txn: state_rows_of_slots(txn, ROOM, line, ["m.room.name"], [""]))
    assert nids == [line]
    assert steps < 200
