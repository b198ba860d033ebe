"""Short ids: one for each key, whoever asks first, and what is remembered of them."""

from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from homeserver.storage.database import Database
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.engine import Transaction
from tests.databases import fresh_engine
from tests.stoppable_threads import StoppableThreads

T = TypeVar("T")


def rows(txn: Transaction) -> dict[str, int]:
    return dict(txn.rows("SELECT user_id, nid FROM known_user"))


class DictionaryTests(SynchronousTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database

    def setUp(self) -> None:
        self.threads = StoppableThreads()
        engine = fresh_engine()
        self.databases = [Database(engine, lambda name, size: self.threads) for _ in range(2)]
        for db in self.databases:
            self.addCleanup(self.closed, db)
        self.users = self.dictionary()

    def closed(self, db: Database) -> None:
        self.result_of(db.close())

    def dictionary(self, capacity: int = 100, process: int = 0) -> Dictionary[str]:
        return Dictionary(self.databases[process], "known_user", ("user_id",), capacity)

    def result_of(self, work: Coroutine[Any, Any, T]) -> T:
        return self.successResultOf(Deferred.fromCoroutine(work))

    def rows(self) -> dict[str, int]:
        return self.successResultOf(self.databases[0].read(rows))

    def without_database(self, work: Coroutine[Any, Any, T]) -> T:
        self.threads.halt()
        result = self.result_of(work)
        self.threads.go_on()
        return result

    def test_a_key_keeps_its_id(self) -> None:
        a, b = self.result_of(self.users.nid_of("a")), self.result_of(self.users.nid_of("b"))
        self.assertNotEqual(a, b)
        self.assertEqual(self.result_of(self.users.nid_of("a")), a)
        self.assertEqual(self.result_of(self.dictionary().nid_of("a")), a, "also after a restart")
        self.assertEqual(self.rows(), {"a": a, "b": b})

    def test_several_at_once(self) -> None:
        a = self.result_of(self.users.nid_of("a"))
        found = self.result_of(self.users.nids_of(["a", "b", "c", "b"]))
        self.assertEqual(found, self.rows())
        self.assertEqual((found["a"], set(found)), (a, {"a", "b", "c"}))
        self.assertEqual(self.result_of(self.users.nids_of([])), {})

    def test_what_is_known_costs_nothing(self) -> None:
        nids = dict(self.result_of(self.users.nids_of(["a", "b"])))
        self.assertEqual(self.without_database(self.users.nid_of("a")), nids["a"])
        self.assertEqual(self.without_database(self.users.nids_of(["a", "b"])), nids)
        self.assertEqual((self.users.known("a"), self.users.known("c")), (nids["a"], None))

    def test_finding_makes_none(self) -> None:
        self.assertIsNone(self.result_of(self.users.find("a")))
        self.assertEqual(self.rows(), {})
        a = self.result_of(self.dictionary().nid_of("a"))
        self.assertEqual(self.result_of(self.users.find("a")), a)
        self.assertEqual(self.without_database(self.users.find("a")), a)

    def test_those_who_add_the_same_key_at_once_get_one_id(self) -> None:
        elsewhere = self.dictionary(process=1)
        self.threads.halt()
        asked = [
            Deferred.fromCoroutine(users.nids_of(keys))
            for users, keys in ((self.users, "ab"), (self.users, "ba"), (elsewhere, "bca"), (self.users, "c"))
        ]
        self.threads.go_on()
        stored = self.rows()
        self.assertEqual(set(stored), {"a", "b", "c"})
        for found in map(self.successResultOf, asked):
            self.assertEqual(found, {key: stored[key] for key in found})

    def test_many_keys_of_which_some_are_made_elsewhere_meanwhile(self) -> None:
        keys = [f"@{number}:x" for number in range(600)]
        elsewhere = self.dictionary(process=1)
        self.threads.halt()
        asked = [
            Deferred.fromCoroutine(elsewhere.nids_of(keys[400:])),
            Deferred.fromCoroutine(self.users.nids_of(keys)),
        ]
        self.threads.go_on()
        stored = self.rows()
        self.assertEqual(set(stored), set(keys))
        self.assertEqual(self.successResultOf(asked[1]), stored)
        self.assertEqual(self.successResultOf(asked[0]), {key: stored[key] for key in keys[400:]})

    def test_keys_of_several_columns(self) -> None:
        slots: Dictionary[tuple[str, str]] = Dictionary(
            self.databases[0], "room_slot", ("type", "state_key"), 100
        )
        keys = [("m.room.member", "@a:x"), ("m.room.member", "@b:x"), ("m.room.topic", "")]
        found = self.result_of(slots.nids_of(keys))
        self.assertEqual(len(set(found.values())), 3)
        self.assertEqual(self.result_of(slots.nid_of(("m.room.topic", ""))), found["m.room.topic", ""])

    def test_no_more_are_remembered_than_there_is_room_for(self) -> None:
        users = self.dictionary(capacity=3)
        for key in "abcdef":
            self.result_of(users.nid_of(key))
        remembered = [key for key in "abcdef" if users.known(key) is not None]
        self.assertEqual(len(remembered), 3)
        self.assertEqual(self.result_of(users.nids_of("abcdef")), self.rows())

    def test_those_in_use_stay(self) -> None:
        users = self.dictionary(capacity=3)
        for key in "abc":
            self.result_of(users.nid_of(key))
        for key in "defgh":
            self.result_of(users.nid_of("a"))
            self.result_of(users.nids_of(["b"]))
            self.result_of(users.nid_of(key))
        self.assertIsNotNone(users.known("a"))
        self.assertIsNotNone(users.known("b"))

    def test_what_is_forgotten_while_others_are_looked_up_is_answered_too(self) -> None:
        users = self.dictionary(capacity=2)
        self.result_of(users.nids_of("ab"))
        self.assertEqual(self.result_of(users.nids_of("abcd")), self.rows())
