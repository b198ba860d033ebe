"""Bringing a database to the schema of this program. Alembic does the book-keeping; the statements are plain SQL.

Versions are numbered files, forward only, one transaction each. Nothing of Alembic is imported while the
database is up to date, which keeps starting fast and the process small.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from homeserver.storage.engine import Connection, Engine, StorageError, Transaction, check_ours

log = logging.getLogger(__name__)

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


def newest_version() -> str:
    """The schema version of this program, such as "0003"."""
    return max(_known_versions())


def _known_versions() -> list[str]:
    return [path.name[:4] for path in _VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py")]


def schema_version(connection: Connection, engine_name: str) -> str | None:
    """The version that the database is at, or None for an empty one.

    Raises StorageError for a database that some other program made.
    """
    with connection.reading() as txn:
        tables = _tables(txn, engine_name)
        if not tables:
            return None
        check_ours(tables)
        row = txn.row("SELECT version_num FROM alembic_version")
        return None if row is None else str(row[0])


def _tables(txn: Transaction, engine_name: str) -> set[str]:
    if engine_name == "sqlite":
        rows = txn.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%%'")
    else:
        rows = txn.rows("SELECT tablename FROM pg_tables WHERE schemaname = ANY(current_schemas(false))")
    return {str(name) for (name,) in rows}


def is_current(engine: Engine) -> bool:
    """Whether there is nothing to migrate.

    Raises StorageError where the database is foreign or newer than the program.
    """
    return _checked_version(engine) == newest_version()


def migrate(engine: Engine, progress: Callable[[str], None] = log.info) -> bool:
    """Applies the missing versions and says so to `progress`; True if there were any.

    Raises StorageError where the database is foreign or newer than the program.
    """
    version = _checked_version(engine)
    if version == newest_version():
        return False
    # It tells of its plugins as it is imported; what matters to an operator is said by `progress`.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Imported late: SQLAlchemy costs a quarter of a second and 25 MB, for nothing where nothing is to be migrated.
    from homeserver.storage.upgrade import upgrade  # noqa: PLC0415

    upgrade(engine, version, newest_version(), progress)
    return True


def _checked_version(engine: Engine) -> str | None:
    engine.check()
    connection = engine.connect()
    try:
        version = schema_version(connection, engine.name)
    finally:
        connection.close()
    if version is not None and version not in _known_versions():
        raise StorageError(
            f"The database was used by a newer Folkmoot (schema {version}; this one knows {newest_version()})."
            " Install that version or newer, or restore a backup made before the update."
        )
    return version
