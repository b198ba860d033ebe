"""Statements that PostgreSQL keeps planned, and its snapshots."""

from collections.abc import Iterator
from typing import Any, ClassVar

import psycopg2
import pytest

from homeserver.protocol.errors import InvalidParam
from homeserver.storage.engine import Conflict, StorageError
from homeserver.storage.postgres import Postgres, PostgresConnection
from scripts.benchmark.postgres import ConnectionArguments
from tests.postgres import database, server

FIND = "SELECT n FROM t WHERE s = %(s)s AND n IN %(ns)s ORDER BY n"
USES_BEFORE_PREPARING = 3


@pytest.fixture
def arguments() -> Iterator[ConnectionArguments]:
    with database() as made:
        yield made


@pytest.fixture
def engine(arguments: ConnectionArguments) -> Postgres:
    return Postgres(arguments)


@pytest.fixture
def connection(engine: Postgres) -> Iterator[PostgresConnection]:
    opened = engine.connect()
    with opened.writing(ordered=True) as txn:
        txn.execute("CREATE TABLE t (n BIGINT PRIMARY KEY, s TEXT)")
        txn.execute_many("INSERT INTO t (n, s) VALUES (%(n)s, 'x')", [{"n": n} for n in range(5)])
    yield opened
    opened.close()


def prepared(connection: PostgresConnection) -> list[str]:
    with connection.reading() as txn:
        return [
            text for (text,) in txn.rows("SELECT statement FROM pg_prepared_statements ORDER BY prepare_time")
        ]


def use(connection: PostgresConnection, times: int) -> None:
    for _ in range(times):
        with connection.reading() as txn:
            assert txn.rows(FIND, s="x", ns=[3, 1, 9]) == [(1,), (3,)]


def _fail(found: object) -> None:
    raise LookupError(found)


def test_what_is_used_repeatedly_is_prepared_once(connection: PostgresConnection) -> None:
    use(connection, USES_BEFORE_PREPARING - 1)
    assert not any("FROM t" in text for text in prepared(connection))
    use(connection, 5)
    (text,) = [text for text in prepared(connection) if "FROM t" in text]
    assert "s = $1 AND n = ANY($2)" in text


def test_preparing_survives_the_end_of_its_transaction(connection: PostgresConnection) -> None:
    use(connection, USES_BEFORE_PREPARING - 1)
    with pytest.raises(LookupError), connection.writing(ordered=True) as txn:
        _fail(txn.rows(FIND, s="x", ns=[2]))
    use(connection, 3)


def test_what_cannot_be_prepared_is_run_as_it_is(connection: PostgresConnection) -> None:
    """PostgreSQL cannot tell which type the parameter is to have."""
    with connection.writing(ordered=True) as txn:
        txn.execute("DELETE FROM t WHERE n = 0")
        for _ in range(USES_BEFORE_PREPARING + 3):
            assert txn.row("SELECT 1 WHERE %(x)s IS NULL", x=None) == (1,)
            assert txn.row("SELECT 1 WHERE %(x)s IS NULL", x=5) is None
    with connection.reading() as txn:
        assert txn.row("SELECT count(*) FROM t") == (4,), "what was done before it in the transaction stays"
    assert not any("IS NULL" in text for text in prepared(connection))


def test_a_new_connection_prepares_anew(engine: Postgres, connection: PostgresConnection) -> None:
    use(connection, USES_BEFORE_PREPARING + 1)
    with connection.reading() as txn:
        (pid,) = txn.row("SELECT pg_backend_pid()") or (0,)
    with engine.connect().writing(ordered=True) as txn:
        txn.rows("SELECT pg_terminate_backend(%(pid)s, 10000)", pid=pid)
    with pytest.raises(Conflict):
        use(connection, 1)
    use(connection, USES_BEFORE_PREPARING + 1)
    assert any("FROM t" in text for text in prepared(connection))


def test_a_reader_sees_one_state(engine: Postgres, connection: PostgresConnection) -> None:
    other = engine.connect()
    with connection.reading() as txn:
        assert txn.row("SELECT count(*) FROM t") == (5,)
        with other.writing(ordered=True) as writing:
            writing.execute("DELETE FROM t")
        assert txn.row("SELECT count(*) FROM t") == (5,)
    with connection.reading() as txn:
        assert txn.row("SELECT count(*) FROM t") == (0,)
    other.close()


def test_a_connection_that_is_lost_while_rows_are_copied(
    engine: Postgres, connection: PostgresConnection
) -> None:
    other = engine.connect()

    def write() -> None:
        with connection.writing(ordered=True) as txn:
            (pid,) = txn.row("SELECT pg_backend_pid()") or (0,)
            with other.writing(ordered=False) as ending:
                ending.rows("SELECT pg_terminate_backend(%(pid)s, 10000)", pid=pid)
            txn.execute_many("INSERT INTO t (n) VALUES (%(n)s)", [{"n": 100 + n} for n in range(200)])

    with pytest.raises(Conflict):
        write()
    other.close()
    with connection.reading() as txn:
        assert txn.row("SELECT count(*) FROM t") == (5,)


def test_readers_cannot_write(connection: PostgresConnection) -> None:
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), connection.reading() as txn:
        txn.execute("DELETE FROM t")


def test_of_two_plain_writers_of_a_row_the_later_meets_a_conflict(
    engine: Postgres, connection: PostgresConnection
) -> None:
    other = engine.connect()

    def write() -> None:
        with connection.writing(ordered=False) as txn:
            assert txn.row("SELECT n FROM t WHERE n = 1") == (1,)
            with other.writing(ordered=False) as faster:
                faster.execute("UPDATE t SET s = 'y' WHERE n = 1")
            txn.execute("UPDATE t SET s = 'z' WHERE n = 1")

    with pytest.raises(Conflict):
        write()
    other.close()


def test_ordered_writers_see_what_was_committed_before_their_statement(
    engine: Postgres, connection: PostgresConnection
) -> None:
    other = engine.connect()
    with connection.writing(ordered=True) as txn:
        assert txn.row("SELECT count(*) FROM t") == (5,)
        with other.writing(ordered=True) as faster:
            faster.execute("DELETE FROM t WHERE n = 1")
        assert txn.row("SELECT count(*) FROM t") == (4,)
    other.close()


def test_a_database_in_another_encoding_is_refused() -> None:
    with database() as arguments:
        connection = psycopg2.connect(**arguments)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        connection.close()
        try:
            with pytest.raises(StorageError, match="LATIN1"):
                Postgres({**arguments, "dbname": "latin"}).check()
        finally:
            server().drop_database("latin")


class RecordingCursor(psycopg2.extensions.cursor):
    """Notes what is sent to the server: each text is one way there and back."""

    ways: ClassVar[list[bytes]] = []

    def execute(self, query: Any, parameters: Any = None) -> None:
        self.ways.append(query if isinstance(query, bytes) else query.encode())
        super().execute(query, parameters)


@pytest.fixture
def recording(arguments: ConnectionArguments, connection: PostgresConnection) -> Iterator[PostgresConnection]:
    """A second connection, after the table was made."""
    opened = Postgres({**arguments, "cursor_factory": RecordingCursor}).connect()
    RecordingCursor.ways.clear()
    yield opened
    opened.close()


def test_what_has_no_answer_goes_with_what_has_one(recording: PostgresConnection) -> None:
    with recording.writing(ordered=True) as txn:
        txn.execute_many("INSERT INTO t (n) VALUES (%(n)s)", [{"n": 10}, {"n": 11}])
        assert txn.row("SELECT count(*) FROM t") == (7,)
        txn.execute_many("DELETE FROM t WHERE n = %(n)s", [{"n": 10}, {"n": 11}])
    ways = RecordingCursor.ways
    assert [way.count(b";") for way in ways] == [3, 2], (
        "beginning, two rows and the question; two rows and the commit"
    )
    assert ways[0].startswith(b"BEGIN")
    assert ways[1].endswith(b"COMMIT")


def test_a_transaction_without_statements_sends_nothing(recording: PostgresConnection) -> None:
    with recording.writing(ordered=True) as txn:
        txn.execute_many("INSERT INTO t (n) VALUES (%(n)s)", [])
    assert RecordingCursor.ways == []


def test_what_waits_does_not_grow_without_end(recording: PostgresConnection) -> None:
    with recording.writing(ordered=True) as txn:
        rows = [{"n": 100 + number, "s": "'" * 9_000} for number in range(250)]
        txn.execute_many("INSERT INTO t (n, s) VALUES (%(n)s, %(s)s) ON CONFLICT DO NOTHING", rows)
    assert len(RecordingCursor.ways) == 3
    with recording.reading() as txn:
        assert txn.row("SELECT count(*) FROM t WHERE n >= 100") == (250,)


def test_long_lists_get_a_plan_of_their_own(recording: PostgresConnection) -> None:
    use(recording, USES_BEFORE_PREPARING)
    RecordingCursor.ways.clear()
    with recording.reading() as txn:
        assert len(txn.rows(FIND, s="x", ns=list(range(200)))) == 5
        assert len(txn.rows(FIND, s="x", ns=list(range(201)))) == 5
    short, long, _ = RecordingCursor.ways
    assert b"EXECUTE" in short
    assert b"EXECUTE" not in long


def test_many_rows_are_one_statement(recording: PostgresConnection) -> None:
    with recording.writing(ordered=True) as txn:
        rows = [{"n": 100 + number, "s": "%(n)s"} for number in range(50)]
        txn.execute_many("INSERT INTO t (n, s) VALUES (%(n)s, %(s)s) ON CONFLICT (n) DO NOTHING", rows)
    (way,) = RecordingCursor.ways
    assert way.count(b"INSERT") == 1
    with recording.reading() as txn:
        assert txn.row("SELECT count(*) FROM t WHERE s = %(s)s", s="%(n)s") == (50,)


def test_a_row_that_cannot_be_written_spoils_its_transaction(connection: PostgresConnection) -> None:
    def write() -> None:
        with connection.writing(ordered=True) as txn:
            txn.execute_many("INSERT INTO t (n) VALUES (%(n)s)", [{"n": 70}, {"n": 1}])

    with pytest.raises(psycopg2.errors.UniqueViolation):
        write()
    with connection.reading() as txn:
        assert txn.row("SELECT count(*) FROM t") == (5,)


def test_preparing_is_not_blamed_for_what_waited(connection: PostgresConnection) -> None:
    def write() -> None:
        with connection.writing(ordered=True) as txn:
            txn.execute_many("INSERT INTO t (n) VALUES (%(n)s)", [{"n": 1}])
            txn.rows(FIND, s="x", ns=[2])

    use(connection, USES_BEFORE_PREPARING - 1)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        write()
    use(connection, USES_BEFORE_PREPARING)
    assert any("FROM t" in text for text in prepared(connection))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b'{"a":"b"}',
        b"it's",
        b"back\\slash",
        b"a\0b",
        bytes(range(256)),
        "zwölf".encode(),
        b"100 % (sure)s",
        b"\n\t",
    ],
)
def test_bytes_come_back_as_they_went(connection: PostgresConnection, value: bytes) -> None:
    with connection.writing(ordered=True) as txn:
        for _ in range(4):
            # The fourth time, the statement is a prepared one.
            assert txn.row(
                "SELECT b, length(b) FROM (SELECT CAST(%(value)s AS BYTEA) AS b) x", value=value
            ) == (value, len(value))
            assert txn.rows(
                "SELECT 1 WHERE %(value)s IN %(values)s", value=value, values=[b"other", value]
            ) == [(1,)]


def test_json_is_sent_as_it_is(recording: PostgresConnection) -> None:
    with recording.reading() as txn:
        txn.row("SELECT %(value)s", value=b'{"a":"b"}')
    assert b"""'{"a":"b"}'::bytea""" in RecordingCursor.ways[0]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "plain",
        "it's",
        "back\\slash",
        "\\'; DROP TABLE t; --",
        "zwölf",
        "100 % (sure)s",
        "a\nb",
        "$1",
        "E'x'",
        '"quoted"',
        "{a,b}",
        "NULL",
        ",",
    ],
)
def test_text_comes_back_as_it_went(connection: PostgresConnection, value: str) -> None:
    for setting in ("on", "off"):
        with connection.writing(ordered=True) as txn:
            txn.execute(f"SET LOCAL standard_conforming_strings = {setting}")
            for _ in range(4):
                assert txn.row("SELECT CAST(%(value)s AS TEXT)", value=value) == (value,)
                for others in ([], ["?"], ["}", ","], ["\\", "'"]):
                    found = txn.rows(
                        "SELECT 1 WHERE %(value)s IN %(values)s", value=value, values=[*others, value]
                    )
                    assert found == [(1,)]


def test_numbers_come_back_as_they_went(connection: PostgresConnection) -> None:
    with connection.reading() as txn:
        for number in (0, 1, -1, 2**63 - 1, -(2**63) + 1):
            for _ in range(4):
                row = txn.row(
                    "SELECT CAST(%(n)s AS BIGINT), 0-%(n)s::bigint, %(flag)s::boolean",
                    n=number,
                    flag=number > 0,
                )
                assert row == (number, -number, number > 0)


def test_many_rows_with_odd_text(connection: PostgresConnection) -> None:
    plain = ["zwölf", None, "plain", "100 %", "); DROP TABLE t; --", "%s", "NULL"]
    odd = ["it's", "back\\slash", "\\'; DROP TABLE t; --", *plain]
    for setting in ("on", "off"):
        for texts in (plain, odd, odd[:3] * 3):
            with connection.writing(ordered=True) as txn:
                txn.execute(f"SET LOCAL standard_conforming_strings = {setting}")
                txn.execute("DELETE FROM t WHERE n >= 500")
                rows = [{"n": 500 + number, "s": text} for number, text in enumerate(texts)]
                txn.execute_many("INSERT INTO t (n, s) VALUES (%(n)s, %(s)s)", rows)
                assert [text for (text,) in txn.rows("SELECT s FROM t WHERE n >= 500 ORDER BY n")] == texts


def test_many_rows_with_odd_numbers_and_bytes(connection: PostgresConnection) -> None:
    every = bytes(range(256))
    rows = [
        {"n": number, "m": None if number % 2 else -number, "b": b}
        for number, b in enumerate([every, b"", b"{}", b"\\x41", b"it's", b"\0"])
    ]
    for setting in ("on", "off"):
        with connection.writing(ordered=True) as txn:
            txn.execute(f"SET LOCAL standard_conforming_strings = {setting}")
            txn.execute("CREATE TEMPORARY TABLE odd (n BIGINT, m BIGINT, b BYTEA) ON COMMIT DROP")
            txn.execute_many("INSERT INTO odd (n, m, b) VALUES (%(n)s, %(m)s, %(b)s)", rows)
            found = txn.rows("SELECT n, m, b FROM odd ORDER BY n")
            assert found == [(row["n"], row["m"], row["b"]) for row in rows]


def test_many_rows_with_a_nul_are_refused(connection: PostgresConnection) -> None:
    rows = [{"n": 600 + number, "s": "a\0b" if number == 3 else "x"} for number in range(9)]
    with pytest.raises(InvalidParam), connection.writing(ordered=True) as txn:
        txn.execute_many("INSERT INTO t (n, s) VALUES (%(n)s, %(s)s)", rows)


def test_text_with_a_nul_is_refused(connection: PostgresConnection) -> None:
    with pytest.raises(InvalidParam), connection.reading() as txn:
        txn.row("SELECT CAST(%(value)s AS TEXT)", value="a\0b")
