"""What failures of SQLite mean for a transaction, and for the next one."""

import sqlite3
from pathlib import Path

import pytest

from homeserver.storage.engine import Conflict, DatabaseUnavailable
from homeserver.storage.sqlite import SqliteConnection


@pytest.fixture
def raw(tmp_path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(tmp_path / "test.db", isolation_level=None, timeout=0)
    connection.execute("CREATE TABLE t (x BLOB)")
    return connection


def insert(connection: SqliteConnection, size: int) -> None:
    with connection.writing(ordered=True) as txn:
        txn.execute("INSERT INTO t VALUES (zeroblob(%(size)s))", size=size)


def rows(connection: SqliteConnection) -> int:
    with connection.reading() as txn:
        return len(txn.rows("SELECT 1 FROM t"))


def test_a_full_disk_undoes_the_transaction_and_may_be_over_later(raw: sqlite3.Connection) -> None:
    connection = SqliteConnection(raw)
    insert(connection, 1)
    raw.execute("PRAGMA max_page_count = 10")
    with pytest.raises(DatabaseUnavailable, match="SQLite cannot use its file: database or disk is full"):
        insert(connection, 1_000_000)
    assert rows(connection) == 1
    raw.execute("PRAGMA max_page_count = 1000000")
    insert(connection, 1_000_000)
    assert rows(connection) == 2


def test_another_writer_is_a_conflict(raw: sqlite3.Connection, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    connection = SqliteConnection(raw)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Conflict):
        insert(connection, 1)
    other.execute("ROLLBACK")
    insert(connection, 1)
    assert rows(connection) == 1


def test_a_wrong_statement_stays_what_it_is(raw: sqlite3.Connection) -> None:
    connection = SqliteConnection(raw)
    with pytest.raises(sqlite3.OperationalError, match="no such table"), connection.reading() as txn:
        txn.rows("SELECT 1 FROM absent")
    with pytest.raises(KeyError), connection.writing(ordered=True):
        raise KeyError("not the database's business")
    assert rows(connection) == 0
