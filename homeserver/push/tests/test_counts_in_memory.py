"""Counts that are kept while others happen; the database is one that answers when told."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from homeserver.protocol.push_evaluation import NOTHING, Verdict
from homeserver.push.store.counts import ByThread, Count, Unread
from homeserver.push.unread import Happening, UnreadCounts
from homeserver.storage.database import Database
from homeserver.streams.journal import Journal

ROOM, ALICE, BOB = 7, 1, 2
ZERO = Count()
PLAIN = Happening("main", Verdict("rule", ("notify",), notify=True))
LOUD = Happening("main", Verdict("rule", ("notify",), notify=True, highlight=True))


class SlowDatabase:
    def __init__(self) -> None:
        self.asked: list[Deferred[Unread]] = []

    def read(self, query: Callable[..., Unread], *args: Any) -> Deferred[Unread]:
        answer: Deferred[Unread] = Deferred()
        self.asked.append(answer)
        return answer

    def answer(self, count: Count, *, silent: bool = False, ignores: bool = False) -> None:
        rooms = {ROOM: {"main": count} if count != ZERO else {}}
        self.asked.pop(0).callback(Unread(rooms, frozenset({ROOM} if silent else ()), ignores))


class Changes:
    """Positions of the last changes."""

    def __init__(self) -> None:
        self.receipts = self.data = 0

    def moved_after(self, room_nid: int, user_nid: int, position: int) -> bool:
        return self.receipts > position

    def changed_after(self, user_nid: int, position: int) -> bool:
        return self.data > position


class CountsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.db, self.changes = SlowDatabase(), Changes()
        journal = cast(Journal, SimpleNamespace(position=10))
        db = cast(Database, self.db)
        self.counts = UnreadCounts(db, journal, self.changes, [self.changes], 100_000)

    def ask(self, user: int = ALICE) -> "Deferred[ByThread]":
        return Deferred.fromCoroutine(self.counts.of(user, [ROOM])).addCallback(lambda rooms: rooms[ROOM])

    def known(self, user: int = ALICE) -> Count:
        """What is answered at once."""
        counts = self.successResultOf(self.ask(user))
        return counts.get("main", ZERO)

    def assert_asks(self, user: int = ALICE) -> None:
        self.assertNoResult(self.ask(user))
        self.assertEqual(len(self.db.asked), 1)

    def learn(self, count: Count = ZERO, user: int = ALICE, **fields: bool) -> None:
        asked = self.ask(user)
        self.db.answer(count, **fields)
        self.successResultOf(asked)

    def test_what_was_read_is_known(self) -> None:
        self.learn(Count(3, 1))
        self.assertEqual(self.known(), Count(3, 1))

    def test_it_grows_with_what_notifies_all(self) -> None:
        self.counts.follow(ROOM, PLAIN)
        self.learn(Count(3, 1))
        self.counts.follow(ROOM, PLAIN)
        self.counts.follow(ROOM, LOUD)
        self.counts.follow(ROOM, Happening("main", NOTHING))
        self.assertEqual(self.known(), Count(5, 2))
        self.assertEqual(self.db.asked, [])

    def test_also_while_it_is_read(self) -> None:
        asked = self.ask()
        self.counts.follow(ROOM, PLAIN)
        self.db.answer(Count(3, 1))
        self.assertEqual(self.successResultOf(asked), {"main": Count(3, 1)})
        self.assertEqual(self.known(), Count(4, 1))

    def test_silent_rooms_do_not_grow(self) -> None:
        self.learn(Count(1, 1), silent=True)
        self.counts.follow(ROOM, PLAIN)
        self.assertEqual(self.known(), Count(1, 1))

    def test_speaking_reads(self) -> None:
        for silent in (False, True):
            self.learn(Count(3, 1), silent=silent)
            self.counts.follow(ROOM, PLAIN._replace(exceptions=frozenset(), speaker=ALICE))
            self.assertEqual(self.known(), ZERO)
            self.counts.forget_all()

    def test_speaking_while_it_is_read(self) -> None:
        asked = self.ask()
        self.counts.follow(ROOM, PLAIN._replace(speaker=ALICE))
        self.db.answer(Count(3, 1))
        self.successResultOf(asked)
        self.assert_asks()

    def test_exceptions_concern_one_member(self) -> None:
        self.learn(user=ALICE)
        self.learn(user=BOB)
        self.counts.follow(ROOM, PLAIN._replace(exceptions=frozenset({ALICE})))
        self.assertEqual(self.known(BOB), Count(1, 0))
        self.assert_asks(ALICE)

    def test_exceptions_while_it_is_read(self) -> None:
        asked = self.ask()
        self.counts.follow(ROOM, PLAIN._replace(exceptions=frozenset({ALICE})))
        self.db.answer(Count(3, 1))
        self.successResultOf(asked)
        self.assert_asks()

    def test_a_room_is_begun_anew(self) -> None:
        self.learn()
        self.counts.forget_room(ROOM)
        self.assert_asks()
        self.counts.forget_room(ROOM)
        self.db.answer(ZERO)
        self.assert_asks()

    def test_receipts_and_other_changes(self) -> None:
        for change in ("receipts", "data"):
            self.learn()
            setattr(self.changes, change, 10)
            self.known()
            setattr(self.changes, change, 11)
            self.assert_asks()
            self.db.answer(ZERO)
            setattr(self.changes, change, 0)
            self.counts.forget_all()

    def test_who_ignores_somebody_always_asks(self) -> None:
        self.learn(ignores=True)
        self.assert_asks()

    def test_two_ask_at_once(self) -> None:
        first, second = self.ask(), self.ask()
        self.db.answer(Count(2, 0))
        self.counts.follow(ROOM, PLAIN)
        self.db.answer(Count(3, 0))
        self.assertEqual(self.successResultOf(first), {"main": Count(2, 0)})
        self.assertEqual(self.successResultOf(second), {"main": Count(3, 0)})
        self.assertEqual(self.known(), Count(3, 0))

    def test_rooms_with_many_threads_are_begun_anew(self) -> None:
        self.learn()
        for number in range(60):
            self.counts.follow(ROOM, PLAIN._replace(thread=f"${number}"))
        self.assert_asks()
