"""The one counter: its numbers, what fails, and who learns of it when."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeReactor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal, Placed, Position, Topic
from homeserver.streams.waiting import Waiting
from tests.databases import fresh_engine
from tests.stoppable_threads import StoppableThreads

T = TypeVar("T")


class Notes:
    """A kind of entries that are texts; each ends as an alias of a room, for want of a table of its own.

    "refuse" is refused, "break" fails in the database.
    """

    def __init__(self, name: str, positions: int = 1) -> None:
        self.name = name
        self.positions = positions
        self.batches: list[list[str]] = []
        self.cache: dict[str, Position] = {}
        self.fails = False

    def count(self, entry: str) -> int:
        return self.positions

    def store(self, txn: Transaction, batch: Sequence[Placed[str]]) -> None:
        for placed in batch:
            if placed.entry == "refuse":
                placed.refused = PermissionError(self.name)
                continue
            if placed.entry == "break":
                txn.execute("INSERT INTO no_such_table VALUES (1)")
            _insert(txn, f"{self.name}:{placed.entry}", placed)

    def stored(self, batch: Sequence[Placed[str]]) -> Iterable[Topic]:
        self.batches.append([placed.entry for placed in batch])
        for placed in batch:
            self.cache[placed.entry] = placed.position
        if self.fails:
            raise ValueError(f"{self.name} cannot read")
        return {(self.name, placed.entry) for placed in batch}


def _insert(txn: Transaction, alias: str, placed: Placed[str]) -> None:
    txn.execute(
        """
        INSERT INTO room_alias (alias, room_id, creator, made_at)
        VALUES (%(alias)s, %(first)s, '', %(position)s)
        """,
        alias=alias, first=str(placed.first), position=placed.position,
    )  # fmt: skip


def _rows(txn: Transaction) -> list[tuple[str, int, int]]:
    """(kind and text, first position, last position), in their order."""
    rows = txn.rows("SELECT alias, room_id, made_at FROM room_alias ORDER BY made_at")
    return [(alias, int(first), last) for alias, first, last in rows]


class JournalTests(SynchronousTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database

    def setUp(self) -> None:
        self.threads = StoppableThreads()
        self.db = Database(fresh_engine(), lambda name, size: self.threads)
        self.addCleanup(lambda: self.successResultOf(Deferred.fromCoroutine(self.db.close())))
        # Cast, because the interfaces in its signatures mean nothing to a type checker.
        self.waiting = Waiting(Clock(cast(ReactorTime, FakeReactor())))
        self.letters, self.pairs = Notes("letter"), Notes("pair", positions=2)
        self.journal = self.started()

    def started(self) -> Journal:
        journal = Journal(self.db, self.waiting)
        self.successResultOf(Deferred.fromCoroutine(journal.start()))
        return journal

    def stored(self) -> list[tuple[str, int, int]]:
        return self.successResultOf(self.db.read(_rows))

    def together(self, *entries: tuple[Notes, str]) -> list[Deferred[Position]]:
        """Appends that share one transaction, because another one is under way."""
        self.threads.halt()
        self.journal.append(self.letters, "first")
        appended = [self.journal.append(kind, entry) for kind, entry in entries]
        self.threads.go_on()
        return appended

    def outcomes(self, appended: Sequence[Deferred[Position]]) -> list[Any]:
        """Positions, and the types of errors."""
        return [self.successResultOf(one.addErrback(_type)) for one in appended]

    def test_positions_follow_each_other_over_all_kinds(self) -> None:
        appended = [
            self.journal.append(kind, f"{number}")
            for number, kind in enumerate((self.letters, self.pairs, self.letters, self.pairs))
        ]
        self.assertEqual(self.outcomes(appended), [1, 3, 4, 6])
        self.assertEqual(
            self.stored(), [("letter:0", 1, 1), ("pair:1", 2, 3), ("letter:2", 4, 4), ("pair:3", 5, 6)]
        )
        self.assertEqual(self.journal.position, 6)

    def test_what_waits_is_stored_in_one_batch_of_each_kind(self) -> None:
        appended = self.together(
            (self.letters, "a"), (self.pairs, "b"), (self.letters, "c"), (self.pairs, "d")
        )
        self.assertEqual(self.outcomes(appended), [2, 4, 5, 7])
        self.assertEqual(self.letters.batches, [["first"], ["a", "c"]])
        self.assertEqual(self.pairs.batches, [["b", "d"]])

    def test_a_refused_entry_takes_nobody_along(self) -> None:
        appended = self.together((self.letters, "a"), (self.letters, "refuse"), (self.pairs, "b"))
        self.assertEqual(self.outcomes(appended), [2, PermissionError, 5])
        self.assertEqual([text for text, *_ in self.stored()], ["letter:first", "letter:a", "pair:b"])
        self.assertEqual(self.letters.batches, [["first"], ["a"]], "nobody is told of what is not there")

    def test_nothing_but_refusals_leaves_the_position(self) -> None:
        self.outcomes([self.journal.append(self.letters, "a")])
        self.assertEqual(self.outcomes([self.journal.append(self.letters, "refuse")]), [PermissionError])
        self.assertEqual(self.journal.position, 1)
        (after,) = self.outcomes([self.journal.append(self.letters, "b")])
        self.assertGreater(after, 1)

    def test_of_a_batch_that_fails_only_the_bad_entry_is_lost(self) -> None:
        appended = self.together(
            (self.letters, "a"), (self.letters, "break"), (self.pairs, "b"), (self.letters, "refuse")
        )
        a, broken, b, refused = self.outcomes(appended)
        self.assertTrue(issubclass(broken, Exception))
        self.assertIs(refused, PermissionError)
        self.assertLess(a, b)
        stored = self.stored()
        self.assertEqual([text for text, *_ in stored], ["letter:first", "letter:a", "pair:b"])
        self.assertEqual([last for *_, last in stored], [1, a, b])
        self.assertEqual(self.journal.position, b)

    def test_what_this_process_was_not_told_of_is_forgotten_before_anyone_is_told_more(self) -> None:
        forgotten: list[Position] = []
        other = Journal(self.db, self.waiting)
        self.successResultOf(Deferred.fromCoroutine(other.start([forgotten.append])))
        self.outcomes([other.append(self.letters, "a")])
        self.assertEqual(forgotten, [0])
        self.outcomes([self.journal.append(self.letters, "b")])
        woken: list[object] = []
        self._on_wake(("letter", "b"), lambda: woken.append((other.position, list(forgotten))))
        self.outcomes([other.append(self.letters, "c")])
        self.assertEqual(forgotten, [0, 2])
        self.assertEqual(woken, [(3, [0, 2])])
        self.outcomes([other.append(self.letters, "refuse"), other.append(self.letters, "d")])
        self.assertEqual(forgotten, [0, 2], "its own holes are no news")

    def test_a_failure_does_not_stop_the_journal(self) -> None:
        self.outcomes([self.journal.append(self.letters, "break")])
        self.assertEqual(self.outcomes([self.journal.append(self.letters, "a")]), [1])

    def test_readers_are_woken_when_caches_know(self) -> None:
        seen: list[tuple[object, ...]] = []
        self._on_wake(
            ("pair", "b"), lambda: seen.append((dict(self.pairs.cache), self.journal.position, self.stored()))
        )
        self.journal.append(self.pairs, "b")
        self.assertEqual(seen, [({"b": 2}, 2, [("pair:b", 1, 2)])])

    def test_who_appended_is_told_when_caches_know(self) -> None:
        seen: list[object] = []
        appended = self.journal.append(self.letters, "a")
        appended.addCallback(
            lambda position: seen.append((position, self.letters.cache, self.journal.position))
        )
        self.assertEqual(seen, [(1, {"a": 1}, 1)])

    def test_caches_of_all_kinds_know_before_anyone_is_told(self) -> None:
        seen: list[object] = []
        self.threads.halt()
        self.journal.append(self.letters, "first")
        self.journal.append(self.letters, "a").addCallback(lambda _: seen.append(dict(self.pairs.cache)))
        self.journal.append(self.pairs, "b")
        self.threads.go_on()
        self.assertEqual(seen, [{"b": 4}])

    def test_nobody_is_woken_for_what_was_refused(self) -> None:
        woken: list[str] = []
        self._on_wake(("letter", "refuse"), lambda: woken.append("refuse"))
        self._on_wake(("letter", "break"), lambda: woken.append("break"))
        self.outcomes(self.together((self.letters, "refuse"), (self.letters, "break")))
        self.assertEqual(woken, [])

    def test_a_reader_that_fails_stops_neither_the_journal_nor_other_readers(self) -> None:
        self.letters.fails = True
        woken: list[str] = []
        self._on_wake(("pair", "b"), lambda: woken.append("b"))
        with self.assertLogs("homeserver.streams.journal", "ERROR"):
            appended = self.together((self.letters, "a"), (self.pairs, "b"))
        self.assertEqual(self.outcomes(appended), [2, 4])
        self.assertEqual(woken, ["b"])
        self.letters.fails = False
        self.assertEqual(self.outcomes([self.journal.append(self.letters, "c")]), [5])

    def test_the_position_is_not_ahead_of_what_can_be_read(self) -> None:
        self.threads.halt()
        appended = self.journal.append(self.letters, "a")
        self.assertEqual(self.journal.position, 0)
        self.assertNoResult(appended)
        self.threads.go_on()
        self.assertEqual(self.journal.position, 1)

    def test_who_appends_as_soon_as_told_is_stored_too(self) -> None:
        """From within the callback, when the journal is between two groups."""
        appended: list[Deferred[Position]] = []
        first = self.journal.append(self.letters, "a")
        self.successResultOf(first)
        self.threads.halt()
        second = self.journal.append(self.letters, "b")
        second.addCallback(lambda _: appended.append(self.journal.append(self.letters, "c")))
        self.threads.go_on()
        self.assertEqual(self.outcomes(appended), [3])

    def test_one_who_gives_up_does_not_harm_the_others(self) -> None:
        self.threads.halt()
        appended = [self.journal.append(self.letters, text) for text in "abc"]
        appended[1].addErrback(_type)
        appended[1].cancel()
        self.threads.go_on()
        self.assertEqual(self.outcomes([appended[0], appended[2]]), [1, 3])
        self.assertEqual(len(self.stored()), 3)

    def test_a_new_process_goes_on_where_the_last_one_stopped(self) -> None:
        self.outcomes([self.journal.append(self.pairs, text) for text in "abc"])
        self.journal = self.started()
        self.assertEqual(self.journal.position, 6)
        self.assertEqual(self.outcomes([self.journal.append(self.letters, "d")]), [7])

    def test_two_journals_share_the_numbers(self) -> None:
        """As two processes do."""
        other = self.started()
        appended = [
            journal.append(self.letters, f"{number}")
            for number, journal in enumerate((self.journal, other, other, self.journal))
        ]
        self.assertEqual(self.outcomes(appended), [1, 2, 3, 4])

    def _on_wake(self, topic: Topic, call: Callable[[], object]) -> None:
        woken = Deferred.fromCoroutine(self.waiting.until([topic], 60))
        woken.addCallback(lambda _: call())


def _type(failure: Failure) -> type[BaseException] | None:
    return failure.type
