"""An empty database of the present schema for each test, on the engine that FOLKMOOT_TEST_DATABASE names."""

import os
from contextlib import closing
from functools import cache
from typing import Any

from psycopg2.extras import Json

from homeserver.storage.engine import Engine
from homeserver.storage.migrate import migrate
from homeserver.storage.postgres import Postgres
from homeserver.storage.sqlite import MEMORY, Sqlite
from scripts.benchmark.postgres import ConnectionArguments
from tests.postgres import server


def fresh_engine() -> Engine:
    """SQLite in memory, or the run's one PostgreSQL database, emptied. Raises SkipTest (`tests.postgres`)."""
    chosen = os.environ.get("FOLKMOOT_TEST_DATABASE", "sqlite")
    if chosen == "postgresql":
        return _one_postgres().emptied()
    if chosen == "sqlite":
        return fresh_sqlite()
    raise ValueError(f"FOLKMOOT_TEST_DATABASE can be sqlite or postgresql, not {chosen}")


def fresh_sqlite() -> Engine:
    """In memory, whatever the run's database is."""
    engine = Sqlite(MEMORY)
    migrate(engine, progress=lambda _: None)
    return engine


def own_engine() -> Engine:
    """As `fresh_engine`, for tests with several databases at once; on PostgreSQL it is one more in the run's server."""
    if os.environ.get("FOLKMOOT_TEST_DATABASE") != "postgresql":
        return fresh_engine()
    engine = Postgres(server().create_database(), readers=1)
    migrate(engine, progress=lambda _: None)
    return engine


class _OnePostgres:
    """A database that test after test uses: emptying it takes a tenth of the time of making another."""

    def __init__(self, arguments: ConnectionArguments) -> None:
        self._engine = Postgres(arguments, readers=1)
        migrate(self._engine, progress=lambda _: None)
        with closing(self._engine.raw_connection()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            self._tables = [table for (table,) in cursor.fetchall() if table != "alembic_version"]
            written = {table: _rows(cursor, table) for table in self._tables}
            self._written = {table: rows for table, rows in written.items() if rows}

    def emptied(self) -> Engine:
        """With nothing in it but what the migrations wrote."""
        with closing(self._engine.raw_connection()) as connection, connection.cursor() as cursor:
            # So that foreign keys do not ask for an order.
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("".join(f"DELETE FROM {table};" for table in self._tables))
            for table, rows in self._written.items():
                records = f"SELECT * FROM json_populate_recordset(NULL::{table}, %s)"
                cursor.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE {records}", [Json(rows)])
            connection.commit()
        return self._engine


def _rows(cursor: Any, table: str) -> list[Any]:
    cursor.execute(f"SELECT to_json({table}) FROM {table}")
    return [row for (row,) in cursor.fetchall()]


@cache
def _one_postgres() -> _OnePostgres:
    # Not dropped: the server, and all that is in it, is gone at the end of the run.
    return _OnePostgres(server().create_database())
