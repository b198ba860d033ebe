"""The newest events in memory: all of them from some point on, or none."""

import pytest

from homeserver.protocol.identifiers import EventID
from homeserver.rooms.tails import Tails
from homeserver.rooms.tests.process import BOB, Process, RoomsTestCase, SteppedThreads, message, state
from homeserver.streams.journal import Position
from tests.databases import fresh_engine

MOST = 100
"""Events of one room that are kept."""


class TailsTestCase(RoomsTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database

    def setUp(self) -> None:
        self.engine, self.threads = fresh_engine(), SteppedThreads()
        self.rooms: Process = self.process(self.engine, self.threads)
        self.tails = self.rooms.tails
        self.room_id = self.result_of(self.rooms.create_room(invite=[BOB]))
        self.room = self.result_of(self.rooms.heads.nid_of(self.room_id))

    @property
    def now(self) -> Position:
        return self.rooms.journal.position

    def say(self, body: str, txn_id: str | None = None) -> EventID:
        return self.result_of(self.rooms.send(message(self.room_id, body, txn_id))).event_id

    def ids_after(self, position: int) -> list[EventID] | None:
        events = self.tails.events_after(self.room, position)
        return None if events is None else [event.key.event_id for event in events]


class KnowledgeTests(TailsTestCase):
    def test_tells_what_came_after(self) -> None:
        start = self.now
        sent, positions = [], []
        for number in range(3):
            sent.append(self.say(str(number)))
            positions.append(self.now)
        self.assertEqual(self.ids_after(start), sent)
        self.assertEqual(self.ids_after(positions[0]), sent[1:])
        self.assertEqual(self.ids_after(positions[2]), [])

    def test_a_new_room_is_known_from_its_beginning(self) -> None:
        known = self.tails.events_after(self.room, self.room - 1)
        assert known is not None
        self.assertEqual(known[0].type, "m.room.create")
        self.assertEqual([event.position for event in known], list(range(self.room, self.now + 1)))

    def test_what_was_before_the_first_event_is_unknown_not_empty(self) -> None:
        restarted = self.process(self.engine, self.threads)
        before = restarted.journal.position
        self.assertIsNone(restarted.tails.events_after(self.room, before))
        self.result_of(restarted.send(message(self.room_id, "hi")))
        self.assertIsNone(restarted.tails.events_after(self.room, before - 1))
        known = restarted.tails.events_after(self.room, before)
        assert known is not None
        self.assertEqual([event.content["body"] for event in known], ["hi"])

    def test_change_is_known_without_the_events(self) -> None:
        before = self.now
        self.assertFalse(self.tails.changed_after(self.room, before))
        self.say("hi")
        self.assertTrue(self.tails.changed_after(self.room, before))
        self.tails.discard(self.room)
        self.assertTrue(self.tails.changed_after(self.room, before))
        self.assertFalse(self.tails.changed_after(self.room, self.now))

    def test_after_a_restart_everything_may_have_changed_before(self) -> None:
        tails = self.process(self.engine, self.threads).tails
        self.assertTrue(tails.changed_after(self.room, self.now - 1))
        self.assertFalse(tails.changed_after(self.room, self.now))

    def test_what_was_not_stored_is_not_told(self) -> None:
        before = self.now
        self.patch(self.rooms.ingest._appends, "store", _break)
        self.failureResultOf(self.rooms.send(message(self.room_id, "lost")), OSError)
        self.assertEqual(self.ids_after(before), [])
        self.assertFalse(self.tails.changed_after(self.room, before))


class BoundsTests(TailsTestCase):
    def test_the_oldest_leave_and_are_unknown_then(self) -> None:
        start = self.now
        for number in range(MOST):
            self.say(str(number))
        self.assertEqual(len(self.ids_after(start) or ()), MOST)
        first = start + 1
        self.say("one too many")
        self.assertIsNone(self.ids_after(start))
        self.assertEqual(len(self.ids_after(first) or ()), MOST)

    def test_rooms_that_nobody_uses_leave_when_memory_is_short(self) -> None:
        self.tails = Tails(10_000)
        self.rooms = Process(self.engine, lambda name, size: self.threads, [self.tails])
        self.result_of(self.rooms.start())
        other = self.result_of(self.rooms.create_room(preset="public_chat"))
        other_nid = self.result_of(self.rooms.heads.nid_of(other))
        self.assertIsNotNone(self.tails.events_after(other_nid, self.now))
        before = self.now
        for number in range(8):
            self.say(f"{number}" * 500)
        self.assertIsNone(self.tails.events_after(other_nid, self.now))
        self.assertEqual(len(self.ids_after(before) or ()), 8)
        self.result_of(self.rooms.db.close())


class ContentTests(TailsTestCase):
    def test_a_redaction_empties_the_tail(self) -> None:
        before = self.now
        target = self.say("secret")
        draft = message(self.room_id, "")
        draft.type, draft.content = "m.room.redaction", {}
        self.result_of(self.rooms.redactor.redact(draft, target))
        self.assertIsNone(self.ids_after(before))
        redacted = self.now
        later = self.say("later")
        self.assertIsNone(self.ids_after(redacted - 1))
        self.assertEqual(self.ids_after(redacted), [later])

    def test_state_tells_what_it_replaced(self) -> None:
        before = self.now
        for topic in ("old", "new"):
            self.result_of(self.rooms.send(state(self.room_id, "m.room.topic", {"topic": topic})))
        first, second = self.tails.events_after(self.room, before) or ()
        self.assertIsNone(first.replaced)
        assert second.replaced is not None
        self.assertEqual(second.replaced.event_id, first.key.event_id)
        self.assertEqual(bytes(second.replaced.content), b'{"topic":"old"}')
        self.assertEqual(second.state_before, first.state_after)

    def test_the_transaction_is_remembered_for_its_device(self) -> None:
        before = self.now
        self.say("hi", "txn")
        (event,) = self.tails.events_after(self.room, before) or ()
        self.assertEqual(event.transaction, (1, "txn"))


def _break(*_: object) -> None:
    raise OSError("the disk is gone")
