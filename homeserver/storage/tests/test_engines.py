"""What statements mean on either engine, so that nobody has to know on which one they run."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from homeserver.protocol.errors import InvalidParam
from homeserver.storage.engine import Connection, Row, Transaction
from homeserver.storage.postgres import Postgres
from homeserver.storage.sqlite import MEMORY, Sqlite
from tests.postgres import database

USES_BEFORE_PREPARING = 3


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def made(request: pytest.FixtureRequest) -> Iterator[Connection]:
    if request.param == "sqlite":
        engine = Sqlite(MEMORY)
        yield _with_table(engine.connect(), "BLOB")
        return
    with database() as arguments:
        yield _with_table(Postgres(arguments).connect(), "BYTEA")


@pytest.fixture
def connection(made: Connection) -> Connection:
    with made.writing(ordered=True) as txn:
        txn.execute("DELETE FROM t")
        txn.execute_many(
            "INSERT INTO t (n, s, b) VALUES (%(n)s, %(s)s, %(b)s)",
            [{"n": n, "s": s, "b": s.encode()} for n, s in enumerate(("a", "b%", "c'd", "é🏠"))],
        )
    return made


def _with_table(connection: Connection, blob: str) -> Connection:
    with connection.writing(ordered=True) as txn:
        txn.execute(f"CREATE TABLE t (n BIGINT PRIMARY KEY, s TEXT, b {blob})")
    return connection


def rows(connection: Connection, statement: str, **params: Any) -> list[Row]:
    """The rows, read as often as makes PostgreSQL prepare the statement; the answer must not change."""
    with connection.reading() as txn:
        found = [txn.rows(statement, **params) for _ in range(USES_BEFORE_PREPARING + 2)]
    assert all(again == found[0] for again in found)
    return found[0]


def test_values_come_back_as_they_went(connection: Connection) -> None:
    found = rows(connection, "SELECT n, s, b FROM t WHERE n = %(n)s", n=3)
    assert found == [(3, "é🏠", "é🏠".encode())]
    assert type(found[0][2]) is bytes


@pytest.mark.parametrize("value", [b"", b"\x00\xff'\\%", bytes(range(256)) * 40])
def test_bytes(connection: Connection, value: bytes) -> None:
    with connection.writing(ordered=True) as txn:
        txn.execute("UPDATE t SET b = %(b)s WHERE n = 0", b=value)
    assert rows(connection, "SELECT b FROM t WHERE n = 0") == [(value,)]


def test_nothing(connection: Connection) -> None:
    with connection.writing(ordered=True) as txn:
        txn.execute("UPDATE t SET s = %(s)s, b = %(b)s WHERE n = 0", s=None, b=None)
    assert rows(connection, "SELECT s, b FROM t WHERE n = 0") == [(None, None)]


@pytest.mark.parametrize(("numbers", "expected"), [([], []), ([1], [1]), ([0, 3, 3, 99, 2**62], [0, 3])])
def test_lists_of_integers(connection: Connection, numbers: list[int], expected: list[int]) -> None:
    found = rows(connection, "SELECT n FROM t WHERE n IN %(numbers)s ORDER BY n", numbers=numbers)
    assert [n for (n,) in found] == expected


@pytest.mark.parametrize(("texts", "expected"), [([], []), (["c'd", "é🏠", '"', ""], [2, 3]), (["b%"], [1])])
def test_lists_of_text(connection: Connection, texts: list[str], expected: list[int]) -> None:
    found = rows(connection, "SELECT n FROM t WHERE s in %(texts)s ORDER BY n", texts=texts)
    assert [n for (n,) in found] == expected


def test_an_empty_list_excludes_nothing(connection: Connection) -> None:
    assert len(rows(connection, "SELECT n FROM t WHERE NOT (n IN %(numbers)s)", numbers=[])) == 4


def test_a_list_that_is_full_then_empty(connection: Connection) -> None:
    """The type of an empty list is not that of a full one."""
    statement = "SELECT n FROM t WHERE s IN %(texts)s OR n IN %(numbers)s ORDER BY n"
    assert rows(connection, statement, texts=["a"], numbers=[1]) == [(0,), (1,)]
    assert rows(connection, statement, texts=[], numbers=[1]) == [(1,)]
    assert rows(connection, statement, texts=["a"], numbers=[]) == [(0,)]


def test_a_list_used_twice(connection: Connection) -> None:
    statement = "SELECT n FROM t WHERE n IN %(numbers)s AND n + 0 IN %(numbers)s ORDER BY n"
    assert rows(connection, statement, numbers=[1, 3]) == [(1,), (3,)]


def test_lists_written_out(connection: Connection) -> None:
    assert rows(connection, "SELECT n FROM t WHERE s IN ('a', 'b%%') ORDER BY n") == [(0,), (1,)]


def test_percent_signs(connection: Connection) -> None:
    assert rows(connection, "SELECT n FROM t WHERE s LIKE '%%\\%%' ESCAPE '\\'") == [(1,)]
    assert rows(connection, "SELECT n %% 2 FROM t WHERE n = %(n)s", n=3) == [(1,)]
    assert rows(connection, "SELECT n FROM t WHERE s LIKE %(like)s", like="b%") == [(1,)]


def test_a_parameter_used_twice(connection: Connection) -> None:
    assert rows(connection, "SELECT n FROM t WHERE n = %(n)s OR n = %(n)s + 1 ORDER BY n", n=1) == [
        (1,),
        (2,),
    ]


def test_text_is_never_read_as_sql(connection: Connection) -> None:
    for text in ("'; DROP TABLE t; --", "%(n)s", "%s", "$1", ":n", "\\"):
        with connection.writing(ordered=True) as txn:
            txn.execute("UPDATE t SET s = %(s)s WHERE n = 0", s=text)
        assert rows(connection, "SELECT n FROM t WHERE s = %(s)s", s=text) == [(0,)]


def test_how_many_rows_were_changed(connection: Connection) -> None:
    with connection.writing(ordered=True) as txn:
        for _ in range(USES_BEFORE_PREPARING + 2):
            assert txn.execute("UPDATE t SET s = s WHERE n < %(n)s", n=3) == 3
        assert txn.execute("DELETE FROM t WHERE n = 77") == 0


def test_one_row_or_none(connection: Connection) -> None:
    with connection.reading() as txn:
        assert txn.row("SELECT n FROM t ORDER BY n") == (0,)
        assert txn.row("SELECT n FROM t WHERE n = 77") is None


def test_returning(connection: Connection) -> None:
    statement = "INSERT INTO t (n, s) VALUES (%(n)s, %(s)s) ON CONFLICT (n) DO UPDATE SET s = excluded.s RETURNING n, s"
    with connection.writing(ordered=True) as txn:
        for number in range(USES_BEFORE_PREPARING + 2):
            assert txn.row(statement, n=number, s="new") == (number, "new")


@pytest.mark.parametrize("blob", [None, b"\x00", bytearray(b"1")])
@pytest.mark.parametrize("count", [0, 1, 20, 501, 2000])
def test_what_many_rows_return(connection: Connection, count: int, blob: object) -> None:
    """Those that are there already return nothing."""
    with connection.writing(ordered=True) as txn:
        found = txn.rows_of_many(
            "INSERT INTO t (n, s, b) VALUES (%(n)s, %(s)s, %(b)s) ON CONFLICT DO NOTHING RETURNING s, n",
            [{"n": number - 1, "s": f"new {number}", "b": blob} for number in range(count)],
        )
        there = {n for (n,) in txn.rows("SELECT n FROM t WHERE s NOT LIKE 'new%%'")}
    expected = [(f"new {number}", number - 1) for number in range(count) if number - 1 not in there]
    assert sorted(found) == sorted(expected)
    assert (-1 not in there, 0 in there) == (True, True)


@pytest.mark.parametrize("count", [0, 1, 501, 2000])
def test_many_rows(connection: Connection, count: int) -> None:
    with connection.writing(ordered=True) as txn:
        txn.execute_many(
            "INSERT INTO t (n, s) VALUES (%(n)s, 'x%%') ON CONFLICT (n) DO UPDATE SET s = excluded.s",
            [{"n": 100 + number} for number in range(count)],
        )
        txn.execute_many(
            "UPDATE t SET s = %(s)s WHERE n = %(n)s",
            [{"n": 100 + number, "s": str(number)} for number in range(count)],
        )
    assert rows(connection, "SELECT s FROM t WHERE n >= 100 ORDER BY n") == [(str(n),) for n in range(count)]


def test_of_many_rows_with_one_key_the_last_remains(connection: Connection) -> None:
    with connection.writing(ordered=True) as txn:
        txn.execute_many(
            "INSERT INTO t (n, s) VALUES (%(n)s, %(s)s) ON CONFLICT (n) DO UPDATE SET s = excluded.s",
            [{"n": 100 + number % 7, "s": str(number)} for number in range(14)],
        )
    assert rows(connection, "SELECT s FROM t WHERE n >= 100 ORDER BY n") == [(str(n),) for n in range(7, 14)]


def test_many_rows_of_which_some_are_there(connection: Connection) -> None:
    with connection.writing(ordered=True) as txn:
        txn.execute_many(
            "INSERT INTO t (n, s) VALUES (%(n)s, %(s)s) ON CONFLICT DO NOTHING",
            [{"n": 100 + number % 7, "s": str(number)} for number in range(14)],
        )
    assert rows(connection, "SELECT s FROM t WHERE n >= 100 ORDER BY n") == [(str(n),) for n in range(7)]


INSERT = "INSERT INTO t (n, s, b) VALUES (%(n)s, %(s)s, %(b)s)"
_TEXTS = ("", "plain", "a\tb\nc\r\\d", r"\N", r"\.", "NULL", "'", '"', "%s", "é🏠", "\x7f\x01")
_BYTES = (
    b"",
    b"plain",
    b"a\tb\nc\r\\d",
    rb"\N",
    rb"\x41",
    rb"\101",
    b"\x00",
    "é🏠".encode(),
    bytes(range(256)),
)


@pytest.mark.parametrize("some", [_TEXTS, (*_TEXTS, None), ("plain", None), (None,)])
@pytest.mark.parametrize("bytes_", [_BYTES, (*_BYTES, None), (b"plain",), (None,)])
def test_many_new_rows(
    connection: Connection, some: tuple[str | None, ...], bytes_: tuple[bytes | None, ...]
) -> None:
    new = [(100 + n, some[n % len(some)], bytes_[n % len(bytes_)]) for n in range(200)]
    with connection.writing(ordered=True) as txn:
        txn.execute_many(INSERT, [{"n": n, "s": s, "b": b} for n, s, b in new])
    assert rows(connection, "SELECT n, s, b FROM t WHERE n >= 100 ORDER BY n") == new


def test_many_new_rows_come_between_what_is_before_and_behind(connection: Connection) -> None:
    def many(first: int, step: int = 1) -> list[dict[str, object]]:
        return [{"n": first + step * n, "s": None, "b": None} for n in range(200)]

    with connection.writing(ordered=True) as txn:
        txn.execute_many("UPDATE t SET s = %(s)s WHERE n < 1000", [{"s": "before"}])
        txn.execute_many(INSERT, many(1000))
        txn.execute_many(INSERT, many(-1, step=-1))
        txn.execute_many("UPDATE t SET s = %(s)s WHERE n BETWEEN 1000 AND 1003", [{"s": "behind"}])
    counts = "SELECT count(*), count(s) FROM t WHERE n {} ORDER BY 1"
    assert rows(connection, counts.format("BETWEEN 0 AND 999")) == [(4, 4)]
    assert rows(connection, counts.format(">= 1000")) == [(200, 4)]
    assert rows(connection, counts.format("< 0")) == [(200, 0)]


def test_many_new_rows_of_which_one_is_there(connection: Connection) -> None:
    one_twice = [{"n": 100 + n % 199, "s": "x", "b": b""} for n in range(200)]
    with pytest.raises(Exception, match=r"(?i)unique"):
        _delete_and(connection, lambda txn: txn.execute_many(INSERT, one_twice))
    assert len(rows(connection, "SELECT n FROM t")) == 4


@pytest.mark.parametrize("some", [_TEXTS, ("plain", "{a,b}", "NULL", ""), ("plain", None), (None,)])
def test_many_rows_over_others(connection: Connection, some: tuple[str | None, ...]) -> None:
    new = [(100 + n, some[n % len(some)]) for n in range(200)]
    with connection.writing(ordered=True) as txn:
        txn.execute_many(INSERT, [{"n": n, "s": "old", "b": b"kept"} for n, _ in new[::2]])
        txn.execute_many(
            "INSERT INTO t (n, s) VALUES (%(n)s, %(s)s) ON CONFLICT (n) DO UPDATE SET s = excluded.s",
            [{"n": n, "s": s} for n, s in new],
        )
    assert rows(connection, "SELECT n, s FROM t WHERE n >= 100 ORDER BY n") == new
    assert rows(connection, "SELECT count(b) FROM t WHERE n >= 100") == [(100,)]


def _delete_and(connection: Connection, change: Callable[[Transaction], object]) -> None:
    with connection.writing(ordered=True) as txn:
        txn.execute("DELETE FROM t")
        change(txn)


def _fail(_: Transaction) -> None:
    raise LookupError


def test_a_block_that_raises_changes_nothing(connection: Connection) -> None:
    with pytest.raises(LookupError):
        _delete_and(connection, _fail)
    assert len(rows(connection, "SELECT n FROM t")) == 4


def test_a_wrong_statement_spoils_only_its_transaction(connection: Connection) -> None:
    for _ in range(USES_BEFORE_PREPARING + 2):
        with pytest.raises(Exception, match="no_such_table"):
            _delete_and(
                connection, lambda txn: txn.execute("SELECT x FROM no_such_table WHERE x = %(x)s", x=1)
            )
    assert len(rows(connection, "SELECT n FROM t")) == 4


def ask_for_nul(txn: Transaction) -> None:
    txn.rows("SELECT n FROM t WHERE s = %(s)s", s="a\x00b")


def test_text_that_postgresql_cannot_hold_is_the_askers_fault() -> None:
    """SQLite can hold it, so what comes in is checked before, where it matters."""
    with database() as arguments:
        connection = _with_table(Postgres(arguments).connect(), "BYTEA")
        for _ in range(USES_BEFORE_PREPARING + 2):
            with pytest.raises(InvalidParam), connection.reading() as txn:
                ask_for_nul(txn)
        with pytest.raises(InvalidParam), connection.writing(ordered=True) as txn:
            txn.execute_many("INSERT INTO t (n, s) VALUES (%(n)s, %(s)s)", [{"n": 1, "s": "\x00"}])
        many = [{"n": n, "s": "\x00"} for n in range(200)]
        with pytest.raises(InvalidParam), connection.writing(ordered=True) as txn:
            txn.execute_many("INSERT INTO t (n, s) VALUES (%(n)s, %(s)s)", many)
        assert rows(connection, "SELECT n FROM t") == []
        connection.close()
