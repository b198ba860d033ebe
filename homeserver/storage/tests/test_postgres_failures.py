"""What failures of PostgreSQL mean for a transaction, and for the next one."""

from collections.abc import Iterator

import psycopg2
import pytest

from homeserver.storage.engine import Conflict, DatabaseUnavailable, Row, Transaction
from homeserver.storage.postgres import Postgres, PostgresConnection
from tests.postgres import database


@pytest.fixture
def engine() -> Iterator[Postgres]:
    with database() as arguments:
        yield Postgres(arguments)


def backend(txn: Transaction) -> int:
    """The number of the process that serves the connection."""
    (pid,) = txn.row("SELECT pg_backend_pid()") or (0,)
    return int(pid)


def pid_of(connection: PostgresConnection) -> int:
    with connection.reading() as txn:
        return backend(txn)


def with_table(engine: Postgres) -> PostgresConnection:
    connection = engine.connect()
    with connection.writing(ordered=True) as txn:
        txn.execute("CREATE TABLE t (x BIGINT)")
    return connection


def rows(connection: PostgresConnection) -> list[Row]:
    with connection.reading() as txn:
        return txn.rows("SELECT x FROM t")


def end(engine: Postgres, pid: int) -> None:
    """As an administrator does, or a restart of the server."""
    with engine.connect().writing(ordered=True) as txn:
        # Returns when the process has ended.
        txn.rows("SELECT pg_terminate_backend(%(pid)s, 10000)", pid=pid)


def test_a_connection_lost_while_idle_is_a_conflict_once(engine: Postgres) -> None:
    connection = engine.connect()
    pid = pid_of(connection)
    end(engine, pid)
    with pytest.raises(Conflict, match="PostgreSQL closed the connection"):
        pid_of(connection)
    assert pid_of(connection) != pid


def insert(engine: Postgres, connection: PostgresConnection, *, lose_before: str) -> None:
    """Two rows in one transaction, whose connection is lost before the second one, or before the commit."""
    with connection.writing(ordered=True) as txn:
        txn.execute("INSERT INTO t VALUES (1)")
        if lose_before == "statement":
            end(engine, backend(txn))
        txn.execute("INSERT INTO t VALUES (2)")
        if lose_before == "commit":
            end(engine, backend(txn))


def test_so_is_one_lost_on_the_way(engine: Postgres) -> None:
    connection = with_table(engine)
    with pytest.raises(Conflict):
        insert(engine, connection, lose_before="statement")
    assert rows(connection) == []


def test_of_one_lost_at_the_commit_nobody_knows(engine: Postgres) -> None:
    connection = with_table(engine)
    with pytest.raises(DatabaseUnavailable):
        insert(engine, connection, lose_before="commit")
    assert rows(connection) == []


def test_a_server_that_is_not_there() -> None:
    engine = Postgres({"host": "/nonexistent", "dbname": "x", "user": "x"})
    for reach in (engine.connect, engine.raw_connection, engine.check):
        with pytest.raises(DatabaseUnavailable, match=r"PostgreSQL cannot be reached: .*\.$"):
            reach()


def test_a_wrong_statement_stays_what_it_is(engine: Postgres) -> None:
    connection = engine.connect()
    with pytest.raises(psycopg2.errors.UndefinedTable), connection.reading() as txn:
        txn.rows("SELECT 1 FROM absent")
    with pytest.raises(KeyError), connection.writing(ordered=True):
        raise KeyError("not the database's business")
    assert pid_of(connection)
