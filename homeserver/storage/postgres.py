"""PostgreSQL by psycopg2. Blocking calls; `homeserver.storage.database` runs them in threads."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2.extras import execute_batch, execute_values

from homeserver.protocol.errors import InvalidParam
from homeserver.storage.engine import Conflict, Params, Row, StorageError

MINIMUM_VERSION = 14_00_00

_LIST_PARAMETER = re.compile(r"\bIN\s+(%\(\w+\)s)", re.IGNORECASE)
_VALUES = re.compile(r"\bVALUES\s*(\([^()]*\))", re.IGNORECASE)
_PAGE = 500

# Bytes come back as bytes, as they do from SQLite.
_BYTES = psycopg2.extensions.new_type(
    psycopg2.BINARY.values,
    "bytes",
    lambda value, cursor: None if value is None else bytes(psycopg2.BINARY(value, cursor)),
)


@lru_cache(maxsize=2000)
def _translate(statement: str) -> str:
    """`IN` with a parameter also takes an empty list when written as `= ANY`."""
    return _LIST_PARAMETER.sub(r"= ANY(\1)", statement)


@lru_cache(maxsize=500)
def _many_rows(statement: str) -> tuple[str, str] | None:
    """An INSERT … VALUES (…) split into its frame and one row's template; None for other statements."""
    found = _VALUES.search(statement)
    if found is None or statement.lstrip()[:6].upper() != "INSERT":
        return None
    return statement[: found.start(1)] + "%s" + statement[found.end(1) :], found.group(1)


class PostgresTransaction:
    def __init__(self, cursor: psycopg2.extensions.cursor) -> None:
        self._cursor = cursor

    def execute(self, statement: str, **params: Any) -> int:
        self._cursor.execute(_translate(statement), params)
        return self._cursor.rowcount

    def execute_many(self, statement: str, params: Sequence[Params]) -> None:
        insert = _many_rows(statement)
        if insert is None:
            execute_batch(self._cursor, _translate(statement), params, page_size=_PAGE)
        else:
            frame, template = insert
            execute_values(self._cursor, frame, params, template=template, page_size=_PAGE)

    def rows(self, statement: str, **params: Any) -> list[Row]:
        self._cursor.execute(_translate(statement), params)
        return self._cursor.fetchall()

    def row(self, statement: str, **params: Any) -> Row | None:
        self._cursor.execute(_translate(statement), params)
        return self._cursor.fetchone()


class PostgresConnection:
    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments
        self._connection = self._open()

    def _open(self) -> psycopg2.extensions.connection:
        connection: psycopg2.extensions.connection = psycopg2.connect(**self._arguments)
        connection.set_client_encoding("UTF8")
        psycopg2.extensions.register_type(_BYTES, connection)
        return connection

    @contextmanager
    def reading(self) -> Iterator[PostgresTransaction]:
        with self._transaction("REPEATABLE READ", readonly=True) as txn:
            yield txn

    @contextmanager
    def writing(self, *, ordered: bool) -> Iterator[PostgresTransaction]:
        # Ordered work begins by locking the position row; READ COMMITTED then sees all of its predecessors.
        with self._transaction("READ COMMITTED" if ordered else "REPEATABLE READ", readonly=False) as txn:
            yield txn

    @contextmanager
    def _transaction(self, isolation: str, *, readonly: bool) -> Iterator[PostgresTransaction]:
        if self._connection.closed:
            self._connection = self._open()
        connection = self._connection
        try:
            connection.set_session(isolation_level=isolation, readonly=readonly)
            with connection.cursor() as cursor:
                yield PostgresTransaction(cursor)
            connection.commit()
        except BaseException as error:
            self._give_up(connection)
            if isinstance(error, psycopg2.extensions.TransactionRollbackError):
                raise Conflict(str(error)) from error
            if isinstance(error, ValueError) and "NUL" in str(error):
                # psycopg2's refusal of text that PostgreSQL cannot hold.
                raise InvalidParam("Text may not contain the character U+0000") from error
            raise

    def _give_up(self, connection: psycopg2.extensions.connection) -> None:
        try:
            connection.rollback()
        except psycopg2.Error:
            # The server is gone; the next transaction opens a new connection.
            connection.close()

    def close(self) -> None:
        self._connection.close()


class Postgres:
    name = "postgresql"

    def __init__(self, arguments: Mapping[str, Any], readers: int = 3) -> None:
        """`arguments` are those of `psycopg2.connect`."""
        self._arguments = {"application_name": "folkmoot", **arguments}
        self.readers = readers

    def connect(self) -> PostgresConnection:
        return PostgresConnection(self._arguments)

    def raw_connection(self) -> psycopg2.extensions.connection:
        connection: psycopg2.extensions.connection = psycopg2.connect(**self._arguments)
        return connection

    def check(self) -> None:
        try:
            connection = psycopg2.connect(**self._arguments)
        except psycopg2.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise StorageError(f"PostgreSQL cannot be reached: {reason}.") from error
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
