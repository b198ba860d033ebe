"""PostgreSQL for the tests: one server for the whole run, and for each test a database of its own."""

import atexit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from unittest import SkipTest

from scripts.benchmark.postgres import ConnectionArguments, PostgresServer, PostgresUnavailable, find_binaries

Prepare = Callable[[ConnectionArguments], None]

# What a test leaves behind need not survive a power cut.
_HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def leave_empty(_: ConnectionArguments) -> None:
    """The preparation of a database in which there is to be nothing."""


@contextmanager
def database(prepare: Prepare = leave_empty) -> Iterator[ConnectionArguments]:
    """A new database, gone afterwards with whatever is still connected to it.

    `prepare` fills it, once in a run: every database with the same preparation is a copy of the first.
    It has to close its connections. Raises SkipTest where PostgreSQL is not installed.
    """
    made = server().create_database(template=_template(prepare))
    try:
        yield made
    finally:
        server().drop_database(made["dbname"])


@cache
def server() -> PostgresServer:
    """The server of this run, started by the first who asks. Raises SkipTest where it is not installed."""
    try:
        find_binaries()
    except PostgresUnavailable as reason:
        raise SkipTest(str(reason)) from reason
    started = PostgresServer(_HASTY)
    started.start()
    atexit.register(started.stop)
    return started


@cache
def _template(prepare: Prepare) -> str:
    made = server().create_database()
    prepare(made)
    return made["dbname"]
