from homeserver.push.tests.unread import BY_THREAD, UnreadTestCase, pair
from tests.client import Json


class TellingTests(UnreadTestCase):
    """Counts are told when they change, with what changed them."""

    def test_with_the_message(self) -> None:
        since = self.alice.sync().next_batch
        for number in (1, 2, 3):
            self.say()
            answer = self.alice.sync(since)
            since = answer.next_batch
            self.assertEqual(pair(answer.room(self.room_id)["unread_notifications"]), (number, 0))

    def test_own_messages_too(self) -> None:
        since = self.alice.sync().next_batch
        self.say()
        since = self.alice.sync(since).next_batch
        self.say(self.alice)
        room = self.alice.sync(since).room(self.room_id)
        self.assertEqual(pair(room["unread_notifications"]), (0, 0))

    def test_receipts_wake(self) -> None:
        quiet: Json = {"room": {"ephemeral": {"types": []}, "timeline": {"types": []}}}
        for type_ in ("m.read", "m.read.private"):
            event = self.say()
            since = self.alice.sync(filter=quiet).next_batch
            waiting = self.alice.start_sync(since, filter=quiet)
            self.read(self.alice, event, type_)
            assert waiting.answer is not None
            room = waiting.answer["rooms"]["join"][self.room_id]
            self.assertEqual(pair(room["unread_notifications"]), (0, 0))

    def test_receipts_of_others_do_not(self) -> None:
        quiet: Json = {"room": {"ephemeral": {"types": []}}}
        event = self.say()
        waiting = self.alice.start_sync(self.alice.sync().next_batch, filter=quiet)
        self.read(self.carol, event)
        self.assertIsNone(waiting.answer)
        waiting.hang_up()

    def test_silence_wakes(self) -> None:
        self.say()
        quiet: Json = {"account_data": {"types": []}}
        since = self.alice.sync().next_batch
        waiting = self.alice.start_sync(since, filter=quiet)
        self.rule(self.alice, f"room/{self.room_id}")
        assert waiting.answer is not None
        room = waiting.answer["rooms"]["join"][self.room_id]
        self.assertEqual(pair(room["unread_notifications"]), (0, 0))
        since = waiting.answer["next_batch"]
        self.assertIsNone(self.alice.sync(since).room(self.room_id))

    def test_other_rules_tell_no_counts(self) -> None:
        since = self.alice.sync().next_batch
        self.rule(self.alice, "content/cake", pattern="cake")
        self.assertIsNone(self.alice.sync(since).room(self.room_id))

    def test_rooms_that_are_filtered_out(self) -> None:
        event = self.say()
        since = self.alice.sync().next_batch
        self.read(self.alice, event)
        answer = self.alice.sync(since, filter={"room": {"not_rooms": [self.room_id]}})
        self.assertIsNone(answer.room(self.room_id))

    def test_after_a_restart_only_news_are_told(self) -> None:
        quiet: Json = {"room": {"ephemeral": {"types": []}}}
        event = self.say()
        old = self.alice.sync(filter=quiet).next_batch
        self.read(self.alice, event)
        new = self.alice.sync(old, filter=quiet).next_batch
        self.restart()
        self.assertIsNotNone(self.alice.sync(old, filter=quiet).room(self.room_id))
        self.assertIsNone(self.alice.sync(new, filter=quiet).room(self.room_id))

    def test_by_thread(self) -> None:
        root = self.say()
        since = self.alice.sync(filter=BY_THREAD).next_batch
        self.say_in(root)
        room = self.alice.sync(since, filter=BY_THREAD).room(self.room_id)
        self.assertEqual(pair(room["unread_notifications"]), (1, 0))
        self.assertEqual(pair(room["unread_thread_notifications"][root]), (1, 0))
