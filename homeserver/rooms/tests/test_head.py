"""Heads in memory: one for each room, never older than what was queued, gone when they may be wrong."""

import pytest
from twisted.internet.defer import Deferred

from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.rooms.head import Head
from homeserver.rooms.tests.process import ALICE, RoomsTestCase, SteppedThreads, message, state
from homeserver.rooms.tests.slow_reads import SlowReads
from tests.databases import fresh_engine

TOPIC = ("m.room.topic", "")


class HeadsTests(RoomsTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database

    def setUp(self) -> None:
        engine = fresh_engine()
        maker = self.process(engine, SteppedThreads())
        self.room_id = self.result_of(maker.create_room(topic="old"))
        self.threads = SteppedThreads()
        # Another process, because the first one may remember.
        self.rooms = self.process(engine, self.threads)
        self.reads = SlowReads(self.rooms.db)
        self.patch(self.rooms.heads, "_db", self.reads)

    def get(self) -> Deferred[Head]:
        return Deferred.fromCoroutine(self.rooms.heads.get(self.room_id))

    def topic(self, head: Head) -> object:
        event = head.get(TOPIC)
        return None if event is None else event.content.get("topic")

    def topic_now(self) -> object:
        """As the next sender sees it."""
        head = self.result_of(self.get())
        self.result_of(self.rooms.heads.load(head, [TOPIC]))
        return self.topic(head)

    def test_those_who_ask_at_once_share_one(self) -> None:
        self.reads.held = True
        asked = [self.get(), self.get()]
        self.reads.deliver()
        one, other = map(self.successResultOf, asked)
        self.assertTrue(one is other)
        self.assertTrue(self.successResultOf(self.get()) is one)

    def test_unknown_rooms(self) -> None:
        asked = Deferred.fromCoroutine(self.rooms.heads.get(RoomID("!no:test")))
        self.failureResultOf(asked, NotFound)

    def test_what_was_queued_while_a_slot_was_read_is_kept(self) -> None:
        head = self.result_of(self.get())
        self.reads.held = True
        loading = Deferred.fromCoroutine(self.rooms.heads.load(head, [TOPIC]))
        self.patch(self.rooms.heads, "_db", self.rooms.db)
        self.result_of(self.rooms.send(state(self.room_id, "m.room.topic", {"topic": "new"})))
        self.reads.deliver()
        self.successResultOf(loading)
        self.assertEqual(self.topic(head), "new")

    def test_an_empty_slot_is_not_read_twice(self) -> None:
        head = self.result_of(self.get())
        slot = ("m.room.topic", "none")
        self.result_of(self.rooms.heads.load(head, [slot]))
        self.threads.halt()
        self.result_of(self.rooms.heads.load(head, [slot]))
        self.threads.go_on()
        self.assertIsNone(head.get(slot))

    def test_a_slot_that_was_not_loaded_is_no_empty_one(self) -> None:
        head = self.result_of(self.get())
        with self.assertRaises(KeyError):
            head.get(TOPIC)

    def test_one_that_was_thrown_away_while_a_slot_was_read_does_not_come_back(self) -> None:
        head = self.result_of(self.get())
        self.reads.held = True
        loading = Deferred.fromCoroutine(self.rooms.heads.load(head, [TOPIC]))
        self.rooms.heads.discard(self.room_id)
        self.reads.deliver()
        self.successResultOf(loading)
        self.assertFalse(self.result_of(self.get()) is head)

    def test_one_that_was_thrown_away_does_not_take_the_place_of_its_successor(self) -> None:
        head = self.result_of(self.get())
        self.reads.held = True
        loading = Deferred.fromCoroutine(self.rooms.heads.load(head, [TOPIC]))
        self.rooms.heads.discard(self.room_id)
        self.patch(self.rooms.heads, "_db", self.rooms.db)
        successor = self.result_of(self.get())
        self.reads.deliver()
        self.successResultOf(loading)
        self.assertTrue(self.result_of(self.get()) is successor)

    def test_a_failure_abandons_only_the_head_that_it_was_built_on(self) -> None:
        head = self.result_of(self.get())
        self.rooms.heads.discard(self.room_id)
        successor = self.result_of(self.get())
        self.rooms.heads.abandon(head)
        self.assertTrue(self.result_of(self.get()) is successor)
        self.rooms.heads.abandon(successor)
        self.assertFalse(self.result_of(self.get()) is successor)

    def test_a_redaction_empties_memory_of_the_content(self) -> None:
        self.assertEqual(self.topic_now(), "old")
        head = self.result_of(self.get())
        event = head.get(TOPIC)
        assert event is not None
        self.redact(event.event_id)
        self.assertIsNone(self.topic_now())

    def test_a_failed_write_takes_the_head_back(self) -> None:
        before = self.result_of(self.get()).extremities
        self.threads.halt()
        sent = self.rooms.send(state(self.room_id, "m.room.topic", {"topic": "lost"}))
        while self.threads.step() and self.result_of(self.get()).extremities == before:
            pass
        self.assertNotEqual(self.result_of(self.get()).extremities, before, "it runs ahead")
        self.patch(self.rooms.ingest._appends, "store", _break)
        self.threads.go_on()
        self.failureResultOf(sent, OSError)
        self.assertEqual(self.result_of(self.get()).extremities, before)
        self.assertEqual(self.topic_now(), "old")

    def redact(self, target: EventID) -> None:
        draft = message(self.room_id, "", sender=ALICE)
        draft.type, draft.content = "m.room.redaction", {}
        self.result_of(self.rooms.redactor.redact(draft, target))


def _break(*_: object) -> None:
    raise OSError("the disk is gone")
