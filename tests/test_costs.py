"""What a request costs does not grow with the server: see docs/performance.md.

Cost is the number of steps that SQLite's virtual machine takes, which is the same on every machine.
"""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.push.store.counts import unread
from homeserver.rooms.store.events import EventRow, events_backwards, insert_bodies, insert_events
from homeserver.rooms.store.hierarchy import ChildRow, children_of, upsert_children
from homeserver.search.store.users import IndexedUser, Sought, find_users, index_user
from homeserver.storage.engine import Transaction
from homeserver.storage.migrate import migrate
from homeserver.storage.sqlite import MEMORY, Sqlite

_FAR = 10**9


class Metered:
    """An empty database that tells how many steps a question takes."""

    def __init__(self) -> None:
        engine = Sqlite(MEMORY)
        migrate(engine, progress=lambda _: None)
        self._connection = engine.connect()
        self._meter: sqlite3.Connection = self._connection._connection
        # Rows stand for themselves here, without all that they would refer to.
        self._meter.execute("PRAGMA foreign_keys = OFF")
        self._steps = 0

    def write(self, change: Callable[[Transaction], object]) -> None:
        with self._connection.writing(ordered=False) as txn:
            change(txn)

    def steps(self, question: Callable[[Transaction], object]) -> int:
        self._steps = 0
        self._meter.set_progress_handler(self._count, 1)
        with self._connection.reading() as txn:
            assert question(txn)
        self._meter.set_progress_handler(None, 1)
        return self._steps

    def close(self) -> None:
        self._connection.close()

    def _count(self) -> int:
        self._steps += 1
        return 0


@pytest.fixture
def metered() -> Iterator[Metered]:
    database = Metered()
    yield database
    database.close()


def _talk(room: int, first: int, events: int) -> Callable[[Transaction], None]:
    def write(txn: Transaction) -> None:
        nids = range(first, first + events)
        insert_events(
            txn, [EventRow(nid, EventID(f"${nid}"), room, nid, 1, None, 1, 1, 1, 1, 1, None) for nid in nids]
        )
        insert_bodies(txn, [(nid, b"{}", b"{}") for nid in nids])

    return write


def test_a_page_of_messages_does_not_depend_on_how_long_the_room_is(metered: Metered) -> None:
    def page(txn: Transaction) -> object:
        return events_backwards(txn, 1, _FAR, 0, 20)

    metered.write(_talk(1, 1, 50))
    before = metered.steps(page)
    metered.write(_talk(1, 51, 500))
    metered.write(_talk(2, 551, 500))
    assert metered.steps(page) <= before * 1.1


def _space(space: int, children: int) -> Callable[[Transaction], None]:
    def write(txn: Transaction) -> None:
        rooms = [(space * 1000 + number, RoomID(f"!{space}_{number}:test")) for number in range(children)]
        txn.execute_many(
            """
            INSERT INTO room (nid, room_id, version, state_line, depth, extremities)
            VALUES (%(nid)s, %(room_id)s, '11', 0, 0, '[]')
            """,
            [{"nid": nid, "room_id": room_id} for nid, room_id in rooms],
        )
        upsert_children(txn, [ChildRow(space, room_id, nid, None, nid, False) for nid, room_id in rooms])

    return write


def test_a_space_does_not_depend_on_other_spaces(metered: Metered) -> None:
    metered.write(_space(1, 20))
    before = metered.steps(lambda txn: children_of(txn, [1])[1])
    metered.write(lambda txn: [_space(space, 50)(txn) for space in range(2, 12)])
    assert metered.steps(lambda txn: children_of(txn, [1])[1]) <= before * 1.1


def _people(first: int, number: int) -> Callable[[Transaction], None]:
    def write(txn: Transaction) -> None:
        for nid in range(first, first + number):
            user_id = UserID(f"@user{nid}:test")
            txn.execute(
                "INSERT INTO known_user (nid, user_id) VALUES (%(nid)s, %(user_id)s)",
                nid=nid,
                user_id=user_id,
            )
            index_user(txn, IndexedUser(nid, user_id, False, f"User {nid}", None), ["user", f"user{nid}"])

    return write


@pytest.mark.parametrize("word", [b"user7", b"user"])
def test_finding_users_does_not_depend_on_how_many_there_are(metered: Metered, word: bytes) -> None:
    sought = Sought([word], 1, None, False, False)
    metered.write(_people(2, 400))
    before = metered.steps(lambda txn: find_users(txn, sought, None, 1))
    metered.write(_people(1000, 500))
    assert metered.steps(lambda txn: find_users(txn, sought, None, 1)) <= before * 1.1


def _threads(first: int, number: int) -> Callable[[Transaction], None]:
    """Each with a receipt, and an event that notifies after it."""

    def write(txn: Transaction) -> None:
        rows: list[dict[str, Any]] = [
            {"thread": f"$thread{one}", "position": 10 + one} for one in range(first, first + number)
        ]
        for statement in (
            """
            INSERT INTO push_event (position, room, thread, sender, rule, highlight, notified_before,
                                    highlighted_before, redacted, ts)
            VALUES (%(position)s, 1, %(thread)s, 2, '', 0, 0, 0, 0, 0)
            """,
            """
            INSERT INTO push_thread (room, thread, notified, highlighted, position)
            VALUES (1, %(thread)s, 1, 0, %(position)s)
            """,
            """
            INSERT INTO ephemeral_receipt (room_nid, user_nid, type, thread, event_id, event_position, ts, position)
            VALUES (1, 1, 1, %(thread)s, '$read', 2, 0, 2)
            """,
        ):
            txn.execute_many(statement, rows)

    return write


def test_counting_the_unread_takes_a_step_or_so_for_each_thread(metered: Metered) -> None:
    def count(txn: Transaction) -> object:
        return unread(txn, 1, [1], _FAR).rooms[1]

    metered.write(
        lambda txn: txn.execute(
            """
            INSERT INTO room_member (room, user_nid, membership, event, position, since, forgotten)
            VALUES (1, 1, 'join', 1, 1, 1, 0)
            """
        )
    )
    metered.write(_threads(0, 50))
    before = metered.steps(count)
    metered.write(_threads(50, 350))
    assert metered.steps(count) <= 12 * before
