"""The database as coroutines see it, with real threads, on each engine."""

import contextlib
import threading
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest
from psycopg2.errors import ReadOnlySqlTransaction
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from homeserver.runtime.log_context import current_log_context, log_context
from homeserver.runtime.threads import InlineThreads, ThreadGroup
from homeserver.storage.database import Database
from homeserver.storage.engine import Engine, Transaction
from homeserver.storage.postgres import Postgres
from homeserver.storage.sqlite import MEMORY, Sqlite
from tests.postgres import database


def create(txn: Transaction) -> None:
    txn.execute("CREATE TABLE t (x BIGINT)")


def insert(txn: Transaction, x: int) -> int:
    txn.execute("INSERT INTO t (x) VALUES (%(x)s)", x=x)
    return x


def fail(txn: Transaction) -> None:
    raise ValueError("oh")


def count(txn: Transaction) -> int:
    (number,) = txn.row("SELECT count(*) FROM t") or (0,)
    return int(number)


class Pause:
    """Somewhere in a transaction, until the test goes on."""

    def __init__(self) -> None:
        self.reached, self._go_on = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self._go_on.wait(10)

    def end(self) -> None:
        self._go_on.set()


def count_twice(txn: Transaction, pause: Pause) -> tuple[int, int]:
    first = count(txn)
    pause()
    return first, count(txn)


class DatabaseContract:
    """What every engine with threads of its own does. `engine` makes one."""

    def engine(self) -> Engine:
        raise NotImplementedError

    def setUp(self) -> None:
        assert isinstance(self, TestCase)
        self.resources = contextlib.ExitStack()
        self.addCleanup(self.resources.close)
        self.db = Database(self.engine(), partial(ThreadGroup, reactor))

    async def filled(self, rows: int = 1) -> None:
        await self.db.write(create)
        await gatherResults([self.db.write(insert, number) for number in range(rows)])

    async def test_results_arguments_and_errors(self) -> None:
        try:
            await self.filled()
            assert await self.db.write(insert, x=7) == 7
            assert await self.db.write_ordered(insert, 8) == 8
            assert await self.db.read(count) == 3
            with pytest.raises(ValueError, match="oh"):
                await self.db.read(fail)
            with pytest.raises(ValueError, match="oh"):
                await self.db.write(fail)
        finally:
            await self.db.close()

    async def test_a_read_sees_one_state_throughout(self) -> None:
        pause = Pause()
        try:
            await self.filled()
            reading = self.db.read(count_twice, pause)
            assert pause.reached.wait(10)
            await self.db.write(insert, 2)
            assert await self.db.read(count) == 2, "others see it"
            pause.end()
            assert await reading == (1, 1)
        finally:
            pause.end()
            await self.db.close()

    async def test_reads_do_not_write(self) -> None:
        try:
            await self.filled()
            # PostgreSQL refuses it, SQLite undoes it.
            with contextlib.suppress(ReadOnlySqlTransaction):
                await self.db.read(insert, 2)
            assert await self.db.read(count) == 1
        finally:
            await self.db.close()

    async def test_reads_run_side_by_side(self) -> None:
        one, other = Pause(), Pause()
        try:
            await self.filled()
            readings = [self.db.read(count_twice, pause) for pause in (one, other)]
            assert one.reached.wait(10)
            assert other.reached.wait(10)
            one.end()
            other.end()
            assert await gatherResults(readings) == [(1, 1)] * 2
        finally:
            one.end()
            other.end()
            await self.db.close()

    async def test_closing_waits_for_the_writes(self) -> None:
        await self.filled()
        writes = [self.db.write(insert, number) for number in range(50)]
        writes += [self.db.write_ordered(insert, number) for number in range(50)]
        await self.db.close()
        assert all(write.called for write in writes)
        await gatherResults(writes)

    async def test_log_lines_of_transactions_name_the_request(self) -> None:
        try:
            with log_context(request="GET-1"):
                context = await self.db.read(lambda txn: dict(current_log_context()))
            assert context == {"request": "GET-1"}
        finally:
            await self.db.close()


class SqliteFileTests(DatabaseContract, TestCase):
    def engine(self) -> Engine:
        directory = Path(mkdtemp())
        self.resources.callback(rmtree, directory)
        return Sqlite(str(directory / "db"))


class PostgresTests(DatabaseContract, TestCase):
    def engine(self) -> Engine:
        return Postgres(self.resources.enter_context(database()), readers=2)

    async def test_plain_writes_do_not_wait_for_ordered_ones(self) -> None:
        pause = Pause()

        def insert_slowly(txn: Transaction) -> None:
            insert(txn, 1)
            pause()

        try:
            await self.filled(0)
            slow = self.db.write_ordered(insert_slowly)
            assert pause.reached.wait(10)
            await self.db.write(insert, 2)
            assert not slow.called
            pause.end()
            await slow
            assert await self.db.read(count) == 2
        finally:
            pause.end()
            await self.db.close()


class MemoryTests(TestCase):
    async def test_reads_and_writes_share_one_database(self) -> None:
        engine = Sqlite(MEMORY)
        one, other = (Database(engine, lambda name, size: InlineThreads()) for _ in range(2))
        await one.write(create)
        await one.write(insert, 1)
        self.assertEqual(await other.read(count), 1)
        await Deferred.fromCoroutine(other.close())
        self.assertEqual(await one.read(count), 1)
        await one.close()

    async def test_two_engines_do_not(self) -> None:
        one, other = (Database(Sqlite(MEMORY), lambda name, size: InlineThreads()) for _ in range(2))
        for db in (one, other):
            await db.write(create)
        await one.write(insert, 1)
        self.assertEqual(await other.read(count), 0)
        await one.close()
        await other.close()

    def test_one_does_not_become_another_that_has_ended(self) -> None:
        """A connection may outlive its engine."""
        connections = [Sqlite(MEMORY).connect() for _ in range(20)]
        for connection in connections:
            with connection.writing(ordered=True) as txn:
                create(txn)
        for connection in connections:
            connection.close()
