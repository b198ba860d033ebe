from collections.abc import Sequence

import pytest

from homeserver.rooms.store.spans import OPEN, Span, insert_spans, state_event_nids
from homeserver.storage.migrate import migrate
from homeserver.storage.sqlite import MEMORY, Sqlite, SqliteTransaction

ROOM = 1
NAME = 7


class _Steps:
    """A database in memory that counts the steps of SQLite's machine."""

    def __init__(self, engine: Sqlite) -> None:
        self._connection = engine.raw_connection()
        self.txn = SqliteTransaction(self._connection)

    def of_reading(self, line: int, types: Sequence[str] | None) -> tuple[int, list[int]]:
        """How many steps it took, and what was read."""
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        self._connection.set_progress_handler(count, 1)
        nids = state_event_nids(self.txn, ROOM, line, types)
        self._connection.set_progress_handler(None, 1)
        return steps, nids


@pytest.mark.parametrize("types", [None, ["m.room.name"]])
def test_the_length_of_the_history_does_not_matter_for_the_current_state(types: list[str] | None) -> None:
    engine = Sqlite(MEMORY)
    migrate(engine, progress=lambda _: None)
    database = _Steps(engine)
    database.txn.execute(
        "INSERT INTO room_slot (nid, type, state_key) VALUES (%(nid)s, 'm.room.name', '')", nid=NAME
    )
    insert_spans(database.txn, [Span(ROOM, NAME, 1000, OPEN, 1000)])
    alone = database.of_reading(1000, types)
    insert_spans(database.txn, [Span(ROOM, NAME, line, line + 1, line) for line in range(1, 1000)])
    assert database.of_reading(1000, types) == alone
    assert alone[1] == [1000]
