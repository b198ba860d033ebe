"""Whether a database is sound: all that it keeps twice for speed agrees with the events themselves."""

import sqlite3
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any, NamedTuple

from config import load
from config.database import PostgresDatabase
from homeserver.app import engine_of
from homeserver.protocol.events import Event, from_stored
from homeserver.protocol.hashes import content_hash_matches, event_id_of
from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.room_versions import room_version
from homeserver.rooms.store.heads import heads_by_nid
from homeserver.rooms.store.spans import OPEN
from homeserver.storage.engine import Transaction
from tests.processes import ServerProcess


class _Row(NamedTuple):
    nid: int
    event_id: str
    room: int
    position: int
    slot: int | None
    depth: int
    state_before: int
    state_after: int
    replaces: int | None


def check_sound(server: ServerProcess) -> None:
    """For a server that is not running, with nothing in its database but its own rooms."""
    config = load([server.config], data_dir=server.directory, environ={}, overrides=[]).config
    if not isinstance(config.database, PostgresDatabase):
        _check_file(config.database.path)
    connection = engine_of(config).connect()
    try:
        with connection.reading() as txn:
            for room, rows in _rows_by_room(txn).items():
                _check_line(rows)
                _check_head(txn, room, rows)
                _check_spans(txn, room, rows)
                _check_bodies(txn, room, rows)
                _check_members(txn, room)
            _check_position(txn)
            _check_transactions(txn)
    finally:
        connection.close()


def _check_file(path: str) -> None:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()


def _rows_by_room(txn: Transaction) -> dict[int, list[_Row]]:
    rooms: dict[int, list[_Row]] = defaultdict(list)
    for row in txn.rows(f"SELECT {', '.join(_Row._fields)} FROM room_event ORDER BY position"):
        rooms[row[2]].append(_Row(*row))
    (known,) = txn.row("SELECT count(*) FROM room") or (0,)
    assert known == len(rooms), "a room without events"
    return rooms


def _check_line(rows: list[_Row]) -> None:
    """The state line goes on by one with each state event, and the depth with each event."""
    assert (rows[0].nid, rows[0].state_before, rows[0].depth) == (rows[0].room, 0, 1)
    for row in rows:
        assert row.nid == row.position
        assert row.state_after - row.state_before == (row.slot is not None)
    for earlier, later in pairwise(rows):
        assert later.state_before == earlier.state_after
        assert later.depth == earlier.depth + 1


def _check_head(txn: Transaction, room: int, rows: list[_Row]) -> None:
    head, newest = heads_by_nid(txn, [room])[room], rows[-1]
    assert (head.extremities, head.depth) == ((newest.event_id,), newest.depth)
    assert head.state_line == newest.state_after


def _check_spans(txn: Transaction, room: int, rows: list[_Row]) -> None:
    """Each state event begins a span, which ends where the next of its slot begins."""
    expected = []
    events_of_slot: dict[int, list[_Row]] = defaultdict(list)
    for row in rows:
        if row.slot is not None:
            events_of_slot[row.slot].append(row)
    for slot, events in events_of_slot.items():
        ends = [*(later.state_after for later in events[1:]), OPEN]
        expected += [(slot, row.state_after, end, row.nid) for row, end in zip(events, ends, strict=True)]
        replaced = [None, *(row.nid for row in events[:-1])]
        assert [row.replaces for row in events] == replaced
    spans = txn.rows(
        "SELECT slot, from_line, to_line, event FROM room_state_span WHERE room = %(room)s", room=room
    )
    assert sorted(spans) == sorted(expected)


def _check_bodies(txn: Transaction, room: int, rows: list[_Row]) -> None:
    """Every event has its body, of which its ID is the hash, and follows the one before it."""
    found = _events(txn, room)
    assert [event.event_id for event in found] == [row.event_id for row in rows]
    previous: tuple[str, ...] = ()
    for event in found:
        assert event_id_of(event.pdu(), event.version) == event.event_id
        assert content_hash_matches(event)
        assert event.prev_events == previous
        previous = (event.event_id,)


def _events(txn: Transaction, room: int) -> list[Event]:
    room_id, version = txn.row("SELECT room_id, version FROM room WHERE nid = %(room)s", room=room) or (
        "",
        "",
    )
    bodies = txn.rows(
        """
        SELECT b.client, b.federation FROM room_event e JOIN room_event_body b ON b.nid = e.nid
        WHERE e.room = %(room)s ORDER BY e.position
        """,
        room=room,
    )
    rules = room_version(version)
    return [from_stored(client, federation, RoomID(room_id), rules) for client, federation in bodies]


def _check_members(txn: Transaction, room: int) -> None:
    newest: dict[str, Any] = {}
    for event in _events(txn, room):
        if event.membership is not None:
            newest[event.slot[1]] = (event.membership, event.event_id)
    rows = txn.rows(
        """
        SELECT u.user_id, m.membership, e.event_id FROM room_member m
        JOIN known_user u ON u.nid = m.user_nid JOIN room_event e ON e.nid = m.event
        WHERE m.room = %(room)s
        """,
        room=room,
    )
    assert {user_id: (membership, event_id) for user_id, membership, event_id in rows} == newest
    counts = Counter(membership for membership, _ in newest.values())
    summary = txn.row("SELECT joined, invited FROM room_summary WHERE room = %(room)s", room=room)
    assert summary == (counts["join"], counts["invite"])


def _check_position(txn: Transaction) -> None:
    (position,) = txn.row("SELECT position FROM stream_position") or (0,)
    (newest,) = txn.row("SELECT max(position) FROM room_event") or (0,)
    assert position >= newest


def _check_transactions(txn: Transaction) -> None:
    """Each has made one event, which is there."""
    orphans = txn.rows(
        """
        SELECT event_id FROM room_transaction t
        WHERE NOT EXISTS (SELECT 1 FROM room_event e WHERE e.event_id = t.event_id)
        """
    )
    assert not orphans
    (transactions, events) = txn.row("SELECT count(*), count(DISTINCT event_id) FROM room_transaction") or (
        0,
        0,
    )
    assert transactions == events
