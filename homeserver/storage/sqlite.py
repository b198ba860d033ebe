"""SQLite: one file, write-ahead log, one writer."""

import itertools
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from homeserver.protocol.json import encode_json
from homeserver.storage.engine import Conflict, DatabaseUnavailable, Params, Row, StorageError, check_ours

MEMORY = ":memory:"
_memories = itertools.count(1)
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"

_LIST_PARAMETER = re.compile(r"\bIN\s+%\((\w+)\)s", re.IGNORECASE)
_PARAMETER = re.compile(r"%\((\w+)\)s")
_BUSY_SECONDS = 30
_PRIMARY_CODE = 0xFF
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# What ails the disk, and not the statement.
_UNAVAILABLE = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,
)


@lru_cache(maxsize=2000)
def _translate(statement: str) -> tuple[str, tuple[str, ...]]:
    """The statement in SQLite's words, and the names of its list parameters."""
    # Each once, however often the statement has it.
    lists = tuple(dict.fromkeys(_LIST_PARAMETER.findall(statement)))
    statement = _LIST_PARAMETER.sub(r"IN (SELECT value FROM json_each(:\1))", statement)
    return _PARAMETER.sub(r":\1", statement).replace("%%", "%"), lists


class SqliteTransaction:
    """A `Transaction` (see `homeserver.storage.engine`)."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, **params: Any) -> int:
        return self._run(statement, params).rowcount

    def execute_many(self, statement: str, params: Sequence[Params]) -> None:
        text, lists = _translate(statement)
        assert not lists, "a list parameter makes no sense in a repeated statement"
        self._connection.executemany(text, params)

    def rows_of_many(self, statement: str, params: Sequence[Params]) -> list[Row]:
        return [row for one in params for row in self.rows(statement, **one)]

    def rows(self, statement: str, **params: Any) -> list[Row]:
        return self._run(statement, params).fetchall()

    def row(self, statement: str, **params: Any) -> Row | None:
        # The annotation keeps sqlite3's Any from spreading.
        row: Row | None = self._run(statement, params).fetchone()
        return row

    def _run(self, statement: str, params: dict[str, Any]) -> sqlite3.Cursor:
        text, lists = _translate(statement)
        for name in lists:
            params[name] = encode_json(list(params[name])).decode()
        return self._connection.execute(text, params)


class SqliteConnection:
    """A `Connection`, for one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._connection.execute("PRAGMA journal_mode = WAL")
        # FULL: an answered request survives a power cut. Group commit pays for it once for many writers.
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        # What is deleted, or replaced by its redacted form, is overwritten in the file; Debian's default.
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.execute("PRAGMA temp_store = MEMORY")
        self._connection.execute("PRAGMA cache_size = -8000")

    @contextmanager
    def reading(self) -> Iterator[SqliteTransaction]:
        with self._transaction("BEGIN", "ROLLBACK") as txn:
            yield txn

    @contextmanager
    def writing(self, *, ordered: bool) -> Iterator[SqliteTransaction]:
        """SQLite has one writer, so every transaction is ordered."""
        del ordered
        with self._transaction("BEGIN IMMEDIATE", "COMMIT") as txn:
            yield txn

    @contextmanager
    def _transaction(self, begin: str, end: str) -> Iterator[SqliteTransaction]:
        try:
            self._connection.execute(begin)
            yield SqliteTransaction(self._connection)
            self._connection.execute(end)
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error) and (verdict := _verdict(error)) is not None:
                raise verdict from error
            raise

    def close(self) -> None:
        self._connection.close()


def _verdict(error: sqlite3.Error) -> Exception | None:
    """What the failure of a statement means for its transaction; None where the statement is to blame."""
    # The driver's own complaints have no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & _PRIMARY_CODE
    if code in _BUSY:
        return Conflict(str(error))
    if code in _UNAVAILABLE:
        return DatabaseUnavailable(f"SQLite cannot use its file: {error}")
    return None


class Sqlite:
    """An `Engine` over one file, or over memory."""

    name = "sqlite"

    def __init__(self, path: str) -> None:
        """`path` is a file, or ":memory:" for a database that ends with this object."""
        self.path = path
        self.readers = 0 if path == MEMORY else 2
        # Connections to one named memory share it for as long as one of them is open.
        self._target = f"file:folkmoot-{next(_memories)}?mode=memory&cache=shared" if path == MEMORY else path
        self._anchor = self.raw_connection() if path == MEMORY else None

    def connect(self) -> SqliteConnection:
        return SqliteConnection(self.raw_connection())

    def raw_connection(self) -> sqlite3.Connection:
        # Threads take turns with a connection, so sqlite3's own check of the thread is not wanted.
        connection = sqlite3.connect(
            self._target,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=500,
            uri=self.path == MEMORY,
        )
        # For a new file. An event takes some 700 bytes, of which pages of 4 KiB would leave much unused.
        connection.execute("PRAGMA page_size = 8192")
        return connection

    def check(self) -> None:
        if self.path == MEMORY:
            return
        parent = Path(self.path).parent
        if not parent.is_dir():
            raise StorageError(f"The directory {parent} of the database does not exist; create it first.")
        try:
            connection = self.raw_connection()
            try:
                # Before `connect`, which turns on the write-ahead log, and so would change a foreign file.
                check_ours({name for (name,) in connection.execute(_TABLES)})
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            finally:
                connection.close()
        except sqlite3.DatabaseError as error:
            raise StorageError(f"The database {self.path} cannot be used: {error}.") from error
