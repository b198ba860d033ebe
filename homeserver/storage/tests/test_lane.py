"""Group commit: who shares a transaction, and who is undone alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from homeserver.storage.engine import Conflict, DatabaseUnavailable, Transaction
from homeserver.storage.lane import WriteLane
from homeserver.storage.sqlite import MEMORY, Sqlite, SqliteConnection
from tests.stoppable_threads import StoppableThreads

Change = Callable[[Transaction], Any]
LARGEST_GROUP = 256


class CountingConnection:
    """Counts commits, and meets conflicts when told to."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self.commits = 0
        self.conflicts: list[bool] = []
        """For each attempt to come: whether there is one."""
        self.asked: list[bool] = []

    @contextmanager
    def writing(self, *, ordered: bool) -> Iterator[Transaction]:
        self.asked.append(ordered)
        with self._connection.writing(ordered=ordered) as txn:
            yield txn
            if self.conflicts and self.conflicts.pop(0):
                raise Conflict("somebody else")
        self.commits += 1

    def reading(self) -> Any:
        return self._connection.reading()

    def close(self) -> None:
        self._connection.close()


def insert(number: int) -> Change:
    def change(txn: Transaction) -> str:
        txn.execute("INSERT INTO t (x) VALUES (%(x)s)", x=number)
        return f"did {number}"

    return change


def insert_and_fail(number: int) -> Change:
    def change(txn: Transaction) -> None:
        insert(number)(txn)
        raise LookupError(str(number))

    return change


class LaneTests(SynchronousTestCase):
    def setUp(self) -> None:
        connection = Sqlite(MEMORY).connect()
        with connection.writing(ordered=True) as txn:
            txn.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x BIGINT UNIQUE)")
        self.connection = CountingConnection(connection)
        self.addCleanup(connection.close)
        self.threads = StoppableThreads()
        self.lane = WriteLane(self.connection, self.threads, ordered=True)

    def stored(self) -> list[int]:
        with self.connection.reading() as txn:
            return [x for (x,) in txn.rows("SELECT x FROM t ORDER BY id")]

    def together(self, *changes: Change) -> list[Deferred[Any]]:
        """One group: they come while the thread is busy with another write."""
        self.threads.halt()
        self.lane.submit(lambda txn: None)
        submitted = [self.lane.submit(change) for change in changes]
        self.threads.go_on()
        self.connection.commits -= 1
        return submitted

    def outcomes(self, submitted: list[Deferred[Any]]) -> list[Any]:
        return [self.successResultOf(one.addErrback(_type)) for one in submitted]

    def test_one(self) -> None:
        self.assertEqual(self.outcomes([self.lane.submit(insert(1))]), ["did 1"])
        self.assertEqual((self.stored(), self.connection.commits), ([1], 1))

    def test_those_who_wait_share_a_commit(self) -> None:
        submitted = self.together(*map(insert, range(20)))
        self.assertEqual(self.outcomes(submitted), [f"did {number}" for number in range(20)])
        self.assertEqual((self.stored(), self.connection.commits), (list(range(20)), 1))

    def test_nobody_is_told_before_the_commit(self) -> None:
        self.threads.halt()
        submitted = self.lane.submit(insert(1))
        self.assertNoResult(submitted)
        self.assertEqual(self.stored(), [])
        submitted.addCallback(lambda _: self.assertEqual(self.stored(), [1]))
        self.threads.go_on()
        self.successResultOf(submitted)

    def test_one_that_fails_is_undone_alone(self) -> None:
        submitted = self.together(insert(1), insert_and_fail(2), insert(3))
        self.assertEqual(self.outcomes(submitted), ["did 1", LookupError, "did 3"])
        self.assertEqual(self.stored(), [1, 3])

    def test_one_that_clashes_with_another_of_its_group(self) -> None:
        first, clash, last = self.outcomes(self.together(insert(1), insert(1), insert(2)))
        self.assertEqual((first, last, self.stored()), ("did 1", "did 2", [1, 2]))
        self.assertTrue(issubclass(clash, Exception))

    def test_all_fail(self) -> None:
        submitted = self.together(insert_and_fail(1), insert_and_fail(2))
        self.assertEqual(self.outcomes(submitted), [LookupError, LookupError])
        self.assertEqual(self.stored(), [])

    def test_the_failure_names_its_place(self) -> None:
        failure = self.failureResultOf(self.lane.submit(insert_and_fail(1)), LookupError)
        self.assertIn("raise LookupError(str(number))", failure.getTraceback())

    def test_a_failure_does_not_stop_the_lane(self) -> None:
        self.outcomes([self.lane.submit(insert_and_fail(1))])
        self.assertEqual(self.outcomes([self.lane.submit(insert(2))]), ["did 2"])

    def test_conflicts_are_outlived(self) -> None:
        self.connection.conflicts = [True, True, True]
        self.assertEqual(self.outcomes([self.lane.submit(insert(1))]), ["did 1"])
        self.assertEqual((self.stored(), len(self.connection.asked)), ([1], 4))

    def test_a_conflict_of_a_group_repeats_the_group(self) -> None:
        # The first attempt is of the write that keeps the thread busy.
        self.connection.conflicts = [False, True]
        submitted = self.together(*map(insert, range(3)))
        self.assertEqual(self.outcomes(submitted), ["did 0", "did 1", "did 2"])
        self.assertEqual((self.stored(), self.connection.commits), ([0, 1, 2], 1))

    def test_conflicts_without_end(self) -> None:
        self.connection.conflicts = [False, *[True] * 50]
        submitted = self.together(insert(1), insert(2))
        self.assertEqual(self.outcomes(submitted), [DatabaseUnavailable] * 2)
        self.assertLess(len(self.connection.asked), 20, "it is not tried for each of them")
        self.connection.conflicts.clear()
        self.assertEqual(self.outcomes([self.lane.submit(insert(3))]), ["did 3"])

    def test_a_group_has_its_limit(self) -> None:
        submitted = self.together(*map(insert, range(LARGEST_GROUP + 1)))
        self.assertEqual(len(self.outcomes(submitted)), LARGEST_GROUP + 1)
        self.assertEqual(self.stored(), list(range(LARGEST_GROUP + 1)))
        self.assertEqual(self.connection.commits, 2)

    def test_a_write_may_lead_to_another(self) -> None:
        submitted = self.lane.submit(insert(1))
        following: list[Deferred[Any]] = []
        submitted.addCallback(lambda _: following.append(self.lane.submit(insert(2))))
        self.assertEqual(self.outcomes(following), ["did 2"])

    def test_one_who_gives_up_does_not_harm_the_others(self) -> None:
        self.threads.halt()
        submitted = [self.lane.submit(insert(number)) for number in range(3)]
        submitted[1].addErrback(_type)
        submitted[1].cancel()
        self.threads.go_on()
        self.assertEqual(self.outcomes([submitted[0], submitted[2]]), ["did 0", "did 2"])

    def test_the_kind_of_transaction_is_the_lanes(self) -> None:
        self.outcomes([WriteLane(self.connection, self.threads, ordered=False).submit(insert(1))])
        self.outcomes([self.lane.submit(insert(2))])
        self.assertEqual(self.connection.asked, [False, True])

    def test_idle_when_nothing_is_left(self) -> None:
        self.successResultOf(self.lane.when_idle())
        self.threads.halt()
        submitted = [self.lane.submit(insert(number)) for number in range(2)]
        idle = self.lane.when_idle()
        submitted[1].addCallback(lambda _: self.lane.submit(insert(2)))
        idle.addCallback(lambda _: self.stored())
        self.assertNoResult(idle)
        self.threads.go_on()
        self.assertEqual(self.successResultOf(idle), [0, 1, 2])


def _type(failure: Failure) -> type[BaseException] | None:
    return failure.type
