"""PostgreSQL by psycopg2. Blocking calls; `homeserver.storage.database` runs them in threads."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple

import psycopg2
import psycopg2.extensions

from homeserver.protocol.errors import InvalidParam
from homeserver.storage.copying import rows_to_copy
from homeserver.storage.engine import Conflict, DatabaseUnavailable, Params, Row, StorageError
from homeserver.storage.quoting import quoted, quoted_rows, unnested

MINIMUM_VERSION = 14_00_00

_LIST_PARAMETER = re.compile(r"\bIN\s+(%\(\w+\)s)", re.IGNORECASE)
_PARAMETER = re.compile(r"%\((\w+)\)s")
_USES_BEFORE_PREPARING = 3
# Fewer cost less one by one, as that is prepared. More would only make long texts.
_FEWEST_ROWS, _MOST_ROWS = 5, 100
# From so many on there are faster ways than VALUES. Copying takes a way of its own to the server.
_FEWEST_OF_MANY = 50
_MOST_PREPARED = 500
# What is prepared is planned for lists of ten. By that plan, thousands are looked for in all rows, or one by one.
_LONG_LIST = 200
_MOST_WAITING_BYTES = 1_000_000

# Our statements are look-ups in indexes. For new tables PostgreSQL would read whole pages instead, and for those with
# large lists compile machine code.
_SETTINGS = "SET random_page_cost = 1.1; SET jit = off"

_LOSSES = (psycopg2.DatabaseError, psycopg2.InterfaceError, psycopg2.OperationalError)

# Bytes come back as bytes, as they do from SQLite.
_BYTES = psycopg2.extensions.new_type(
    psycopg2.BINARY.values,
    "bytes",
    lambda value, cursor: None if value is None else bytes(psycopg2.BINARY(value, cursor)),
)


class _Call:
    """A statement with places for parameters."""

    def __init__(self, text: str) -> None:
        parts = _PARAMETER.split(text)
        self._literals = [part.replace("%%", "%").encode() for part in parts[::2]]
        self._names = parts[1::2]

    def with_(self, cursor: psycopg2.extensions.cursor, params: Params) -> bytes:
        """The text to send."""
        first, *others = self._literals
        values = [quoted(cursor, params[name]) for name in self._names]
        return first + b"".join([part for pair in zip(values, others, strict=True) for part in pair])


@lru_cache(maxsize=2000)
def _translate(statement: str) -> str:
    """`IN` with a parameter also takes an empty list when written as `= ANY`."""
    return _LIST_PARAMETER.sub(r"= ANY(\1)", statement)


_INSERT = re.compile(
    r"(?P<into>\s*INSERT INTO (?P<table>\w+) \((?P<columns>[\w\s,]+)\)\s*)VALUES\s*"
    r"\((?P<values>\s*%\(\w+\)s(?:\s*,\s*%\(\w+\)s)*\s*)\)"
    r"(?P<rest>\s*(?:ON CONFLICT\s*(?:\((?P<unique>[\w\s,]+)\)\s*)?DO [^%]+)?)",
    re.IGNORECASE,
)


class _ManyRows(NamedTuple):
    """An INSERT in its parts. PostgreSQL updates no row twice in one statement, so there is one for rows that differ in
    their `unique` parameters only; None where it updates none. `copy` does the same where nothing is said of
    conflicts."""

    copy: str | None
    into: bytes
    """Up to VALUES."""
    names: tuple[str, ...]
    rest: bytes
    unique: tuple[str, ...] | None

    def columns(self, params: Sequence[Params]) -> list[list[Any]]:
        """The values of each."""
        return [[one[name] for one in params] for name in self.names]

    def takes(self, params: Sequence[Params]) -> bool:
        unique = self.unique
        return unique is None or len({tuple(one[name] for name in unique) for one in params}) == len(params)


@lru_cache(maxsize=500)
def _many_rows(statement: str) -> _ManyRows | None:
    """None where each row needs a statement of its own."""
    found = _INSERT.fullmatch(statement)
    if found is None:
        return None
    names = tuple(_PARAMETER.findall(found["values"]))
    params = dict(zip(_names(found["columns"]), names, strict=True))
    updates = found["unique"] is not None and "DO UPDATE" in found["rest"].upper()
    keys = _names(found["unique"]) if updates else []
    if not params.keys() >= set(keys):
        return None
    unique = tuple(params[column] for column in keys) if updates else None
    copy = None if found["rest"].strip() else f"COPY {found['table']} ({found['columns']}) FROM STDIN"
    return _ManyRows(copy, found["into"].encode(), names, found["rest"].encode(), unique)


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",")]


class _Prepared:
    """Statements that PostgreSQL has planned for one connection.

    Planning most of our statements takes longer than running them, so what is run repeatedly is prepared.
    """

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}
        self._calls: dict[str, _Call] = {}

    def call_of(self, sent: "_Sent", statement: str) -> _Call:
        """What to execute for `statement`: itself, or the call of its prepared form."""
        call = self._calls.get(statement)
        if call is not None:
            return call
        translated = _translate(statement)
        uses = self._uses[statement] = self._uses.get(statement, 0) + 1
        if uses < _USES_BEFORE_PREPARING or len(self._calls) >= _MOST_PREPARED:
            return _Call(translated)
        call = self._calls[statement] = _Call(self._prepare(sent, translated))
        return call

    def _prepare(self, sent: "_Sent", translated: str) -> str:
        names = list(dict.fromkeys(_PARAMETER.findall(translated)))
        numbered = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", translated)
        name = f"folkmoot_{len(self._calls)}"
        sent.now(b"SAVEPOINT preparing")
        try:
            sent.now(f"PREPARE {name} AS {numbered.replace('%%', '%')}; RELEASE SAVEPOINT preparing".encode())
        except psycopg2.Error:
            # Not every statement can be: in some, PostgreSQL cannot tell the type of a parameter.
            sent.now(b"ROLLBACK TO SAVEPOINT preparing")
            return translated
        arguments = ", ".join(f"%({each})s" for each in names)
        return f"EXECUTE {name} ({arguments})" if names else f"EXECUTE {name}"


class _Sent:
    """What is sent to the server. What has no answer waits and goes with what has one, as each way takes its time."""

    def __init__(self, cursor: psycopg2.extensions.cursor, beginning: bytes) -> None:
        self._cursor = cursor
        self._waiting = [beginning]
        self._size = 0
        self._has_begun = False

    def now(self, text: bytes) -> None:
        """Raises what any of those raises that waited."""
        waiting, self._waiting, self._size, self._has_begun = self._waiting, [], 0, True
        self._cursor.execute(b";".join([*waiting, text]))

    def later(self, text: bytes) -> None:
        self._waiting.append(text)
        self._size += len(text)
        if self._size > _MOST_WAITING_BYTES:
            self.now(b"")

    def copied(self, copy: str, rows: bytes) -> None:
        if self._waiting:
            self.now(b"")
        self._cursor.copy_expert(copy, BytesIO(rows))

    def commit(self) -> None:
        # Nothing but the beginning: there was no statement.
        if self._has_begun or self._size:
            self.now(b"COMMIT")


class PostgresTransaction:
    """A `Transaction` (see `homeserver.storage.engine`)."""

    def __init__(self, cursor: psycopg2.extensions.cursor, prepared: _Prepared, sent: _Sent) -> None:
        self._cursor = cursor
        self._prepared = prepared
        self._sent = sent

    def execute(self, statement: str, **params: Any) -> int:
        self._run(statement, params)
        return self._cursor.rowcount

    def execute_many(self, statement: str, params: Sequence[Params]) -> None:
        many = _many_rows(statement) if len(params) >= _FEWEST_ROWS else None
        if many is not None and many.takes(params):
            columns = many.columns(params)
            if not self._copied(many, columns):
                for insert in self._inserts(many, columns):
                    self._sent.later(insert)
            return
        call = self._prepared.call_of(self._sent, statement)
        for one in params:
            self._sent.later(call.with_(self._cursor, one))

    def rows_of_many(self, statement: str, params: Sequence[Params]) -> list[Row]:
        many = _many_rows(statement) if len(params) >= _FEWEST_ROWS else None
        if many is None or not many.takes(params):
            return [row for one in params for row in self.rows(statement, **one)]
        found: list[Row] = []
        for insert in self._inserts(many, many.columns(params)):
            self._sent.now(insert)
            found += self._cursor.fetchall()
        return found

    def _copied(self, many: _ManyRows, columns: Sequence[Sequence[Any]]) -> bool:
        """False where that would not be the same, or no gain, or the values are of other kinds than most."""
        if many.copy is None or len(columns[0]) < _FEWEST_OF_MANY:
            return False
        rows = rows_to_copy(columns)
        if rows is not None:
            self._sent.copied(many.copy, rows)
        return rows is not None

    def _inserts(self, many: _ManyRows, columns: Sequence[Sequence[Any]]) -> Iterator[bytes]:
        """One, unless the values are of other kinds than most."""
        number = len(columns[0])
        selected = unnested(columns) if number >= _FEWEST_OF_MANY else None
        if selected is not None:
            yield b"%b%b%b" % (many.into, selected, many.rest)
            return
        for start in range(0, number, _MOST_ROWS):
            some = [column[start : start + _MOST_ROWS] for column in columns]
            yield b"%bVALUES %b%b" % (many.into, quoted_rows(self._cursor, some), many.rest)

    def rows(self, statement: str, **params: Any) -> list[Row]:
        self._run(statement, params)
        return self._cursor.fetchall()

    def row(self, statement: str, **params: Any) -> Row | None:
        self._run(statement, params)
        return self._cursor.fetchone()

    def _run(self, statement: str, params: Params) -> None:
        is_long = any(type(value) is list and len(value) > _LONG_LIST for value in params.values())
        call = _Call(_translate(statement)) if is_long else self._prepared.call_of(self._sent, statement)
        self._sent.now(call.with_(self._cursor, params))


class PostgresConnection:
    """A `Connection`, for one thread at a time, that opens itself again after the server was away."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments
        self._connection = self._open()

    def _open(self) -> psycopg2.extensions.connection:
        connection = _connected(self._arguments, set_up=_set_up)
        self._prepared = _Prepared()
        return connection

    @contextmanager
    def reading(self) -> Iterator[PostgresTransaction]:
        with self._transaction(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as txn:
            yield txn

    @contextmanager
    def writing(self, *, ordered: bool) -> Iterator[PostgresTransaction]:
        # Ordered work begins by locking the position row; READ COMMITTED then sees all of its predecessors.
        isolation = b"READ COMMITTED" if ordered else b"REPEATABLE READ"
        with self._transaction(b"BEGIN ISOLATION LEVEL " + isolation) as txn:
            yield txn

    @contextmanager
    def _transaction(self, beginning: bytes) -> Iterator[PostgresTransaction]:
        if self._connection.closed:
            self._connection = self._open()
        connection, committing = self._connection, False
        try:
            with connection.cursor() as cursor:
                sent = _Sent(cursor, beginning)
                yield PostgresTransaction(cursor, self._prepared, sent)
                committing = True
                sent.commit()
        except psycopg2.Error as error:
            verdict = _verdict(error, is_lost=_is_lost(connection, error), committing=committing)
            if verdict is None:
                raise
            raise verdict from error
        except ValueError as error:
            if "NUL" in str(error):
                # psycopg2's refusal of text that PostgreSQL cannot hold.
                raise InvalidParam("Text may not contain the character U+0000") from error
            raise
        finally:
            self._leave(connection)

    def _leave(self, connection: psycopg2.extensions.connection) -> None:
        """Ends whatever has not ended."""
        if connection.get_transaction_status() == psycopg2.extensions.TRANSACTION_STATUS_IDLE:
            return
        try:
            with connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
        except psycopg2.Error:
            # The server is gone; the next transaction opens a new connection.
            connection.close()

    def close(self) -> None:
        self._connection.close()


def _set_up(connection: psycopg2.extensions.connection) -> None:
    psycopg2.extensions.register_type(_BYTES, connection)
    # Transactions are begun by us, together with their first statement.
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(_SETTINGS)


def _connected(
    arguments: Mapping[str, Any], set_up: Callable[[psycopg2.extensions.connection], None] = lambda _: None
) -> psycopg2.extensions.connection:
    try:
        connection: psycopg2.extensions.connection = psycopg2.connect(**arguments)
        set_up(connection)
    except psycopg2.Error as error:
        raise DatabaseUnavailable(f"PostgreSQL cannot be reached: {_first_line(error)}.") from error
    return connection


def _is_lost(connection: psycopg2.extensions.connection, error: psycopg2.Error) -> bool:
    # Of some losses psycopg2 knows no more than that the server did not answer.
    return bool(connection.closed) or (error.pgcode is None and type(error) in _LOSSES)


def _verdict(error: psycopg2.Error, *, is_lost: bool, committing: bool) -> Exception | None:
    """What the failure of a statement means for its transaction; None where the statement is to blame."""
    if isinstance(error, psycopg2.extensions.TransactionRollbackError):
        return Conflict(str(error))
    if is_lost and not committing:
        # Nothing was done yet; the next attempt has a new connection, if there is one to be had.
        return Conflict(f"PostgreSQL closed the connection: {_first_line(error)}")
    if is_lost or isinstance(error, psycopg2.OperationalError):
        return DatabaseUnavailable(f"PostgreSQL failed: {_first_line(error)}")
    return None


def _first_line(error: psycopg2.Error) -> str:
    return str(error).strip().partition("\n")[0]


class Postgres:
    """An `Engine` over a PostgreSQL database."""

    name = "postgresql"

    def __init__(self, arguments: Mapping[str, Any], readers: int = 3) -> None:
        """`arguments` are those of `psycopg2.connect`."""
        self._arguments = {"application_name": "folkmoot", **arguments, "client_encoding": "UTF8"}
        self.readers = readers

    def connect(self) -> PostgresConnection:
        return PostgresConnection(self._arguments)

    def raw_connection(self) -> psycopg2.extensions.connection:
        return _connected(self._arguments)

    def check(self) -> None:
        connection = _connected(self._arguments)
        try:
            self._check_server(connection)
        finally:
            connection.close()

    def _check_server(self, connection: psycopg2.extensions.connection) -> None:
        if connection.server_version < MINIMUM_VERSION:
            raise StorageError("PostgreSQL is too old; version 14 or newer is needed.")
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_encoding")
            (encoding,) = cursor.fetchone() or ("unknown",)
        if encoding != "UTF8":
            raise StorageError(
                f"The PostgreSQL database has the encoding {encoding}; create it with ENCODING 'UTF8'."
            )
