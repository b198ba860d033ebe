"""What the rest of the server may ask of a database, whichever it is."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from homeserver.runtime.tasks import TemporaryFailure

Params = Mapping[str, Any]
Row = tuple[Any, ...]


class Transaction(Protocol):
    """One open transaction. Statements use named parameters, `%(name)s`, on both engines.

    `column IN %(name)s` takes a list of text or integers, which may be empty.
    """

    def execute(self, statement: str, **params: Any) -> int:
        """Runs the statement and returns how many rows it changed."""

    def execute_many(self, statement: str, params: Sequence[Params]) -> None:
        """Runs the statement once for each mapping, in as few round trips as the engine allows."""

    def rows(self, statement: str, **params: Any) -> list[Row]: ...

    def rows_of_many(self, statement: str, params: Sequence[Params]) -> list[Row]:
        """As `execute_many`, for a statement that ends in RETURNING; what all of them returned, in no order."""

    def row(self, statement: str, **params: Any) -> Row | None:
        """The first row of the answer, or None."""


class Connection(Protocol):
    """One connection, used by one thread at a time."""

    def reading(self) -> AbstractContextManager[Transaction]:
        """A read-only transaction in which every statement sees the same state of the database."""

    def writing(self, *, ordered: bool) -> AbstractContextManager[Transaction]:
        """A transaction that commits at the end of the block, or rolls back when the block raises.

        Ordered transactions see all that earlier ordered ones wrote, because a lock keeps them apart; the
        others are checked for conflicts when they commit and raise `Conflict` if there is one.
        """

    def close(self) -> None: ...


class Conflict(Exception):
    """Another transaction got in the way; running this one again will help."""


class StorageError(Exception):
    """The database cannot be used; the text says why and what to do."""


class DatabaseUnavailable(StorageError, TemporaryFailure):
    """The database cannot be used at the moment; the text says why.

    A change that was under way may have been made or not.
    """


def check_ours(tables: Collection[str]) -> None:
    """Raises StorageError where the database with these tables was made by some other program."""
    # The first of all migrations may have been interrupted after Alembic made its own table.
    if "folkmoot" not in tables and not {"alembic_version"}.issuperset(tables):
        raise StorageError(
            "The database belongs to another program: it has tables, but not Folkmoot's."
            " Name an empty database, or none to have one made."
        )


class Engine(Protocol):
    """A database that can be connected to."""

    name: str
    readers: int
    """How many connections may read at once; 0 where reads must share the writer's connection."""

    def connect(self) -> Connection: ...

    def raw_connection(self) -> Any:
        """A connection of the driver itself, in autocommit mode, for the migrations."""

    def check(self) -> None:
        """Raises StorageError where the database is absent, foreign, or not to be written."""
