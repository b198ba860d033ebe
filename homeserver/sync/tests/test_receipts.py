from typing import Any

from tests.client import SyncAnswer
from tests.wire import WireClient, WireTestCase

Json = Any


class ReceiptTests(WireTestCase):
    """Receipts, markers and unread marks as syncs tell of them."""

    settings = ("presence.enabled=false",)

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob])
        self.event_id = self.alice.send(self.room_id, "hello")
        self.since = self.alice.sync().next_batch

    def read(self, user: WireClient, event_id: str, type_: str = "m.read", **body: Json) -> None:
        answer = user.post(f"/rooms/{self.room_id}/receipt/{type_}/{event_id}", body)
        self.assertEqual(answer.json, {})

    def receipts(self, answer: SyncAnswer) -> Json:
        edus = [edu["content"] for edu in answer.ephemeral(self.room_id) if edu["type"] == "m.receipt"]
        self.assertLessEqual(len(edus), 1)
        return edus[0] if edus else {}

    def told(self, user: WireClient, since: str | None) -> Json:
        """By type, who read how far and in which thread, at the first event."""
        by_type = self.receipts(user.sync(since)).get(self.event_id, {})
        return {
            type_: {user_id: receipt.get("thread_id") for user_id, receipt in users.items()}
            for type_, users in by_type.items()
        }

    def test_first_and_later_syncs_tell_of_public_ones(self) -> None:
        self.read(self.bob, self.event_id)
        expected = {"m.read": {self.bob.user_id: None}}
        for user in (self.alice, self.bob):
            self.assertEqual(self.told(user, self.since), expected)
            self.assertEqual(self.told(user, None), expected)

    def test_private_ones_are_for_their_user(self) -> None:
        self.read(self.bob, self.event_id, "m.read.private")
        for since in (self.since, None):
            self.assertEqual(self.told(self.alice, since), {})
            self.assertEqual(self.told(self.bob, since), {"m.read.private": {self.bob.user_id: None}})

    def test_a_private_one_wakes_nobody_else(self) -> None:
        alice, bob = self.alice.start_sync(self.since), self.bob.start_sync(self.since)
        self.read(self.bob, self.event_id, "m.read.private")
        self.assertIsNone(alice.answer)
        self.assertIsNotNone(bob.answer)
        alice.hang_up()

    def test_threads(self) -> None:
        self.read(self.bob, self.event_id, thread_id="main")
        for since in (self.since, None):
            self.assertEqual(self.told(self.alice, since), {"m.read": {self.bob.user_id: "main"}})
        self.read(self.bob, self.event_id)
        self.assertEqual(self.told(self.alice, None), {"m.read": {self.bob.user_id: None}})

    def test_each_user_has_one_of_each_kind(self) -> None:
        self.read(self.bob, self.event_id)
        newer = self.alice.send(self.room_id, "more")
        self.read(self.bob, newer)
        self.assertEqual(list(self.receipts(self.alice.sync())), [newer])

    def test_a_filter_leaves_them_out(self) -> None:
        self.read(self.bob, self.event_id)
        wish = {"room": {"ephemeral": {"not_types": ["m.receipt"]}}}
        self.assertEqual(self.receipts(self.alice.sync(self.since, filter=wish)), {})

    def test_the_fully_read_marker_is_account_data(self) -> None:
        self.read(self.bob, self.event_id, "m.fully_read")
        events = self.bob.sync(self.since).room(self.room_id)["account_data"]["events"]
        self.assertEqual(events, [{"type": "m.fully_read", "content": {"event_id": self.event_id}}])
        self.assertIsNone(self.alice.sync(self.since).room(self.room_id))

    def test_rooms_are_marked_as_unread(self) -> None:
        for type_ in ("m.marked_unread", "com.famedly.marked_unread"):
            path = f"/user/{self.bob.user_id}/rooms/{self.room_id}/account_data/{type_}"
            since = self.bob.sync().next_batch
            self.assertEqual(self.bob.put(path, {"unread": True}).json, {})
            events = self.bob.sync(since).room(self.room_id)["account_data"]["events"]
            self.assertEqual(events, [{"type": type_, "content": {"unread": True}}])
            self.assertEqual(self.bob.get(path).json, {"unread": True})

    def test_typing_ends_by_itself(self) -> None:
        self.bob.put(f"/rooms/{self.room_id}/typing/{self.bob.user_id}", {"typing": True, "timeout": 10_000})
        (edu,) = self.alice.sync().ephemeral(self.room_id)
        self.assertEqual(edu["content"], {"user_ids": [self.bob.user_id]})
        since = self.alice.sync().next_batch
        self.advance(10)
        (edu,) = self.alice.sync(since).ephemeral(self.room_id)
        self.assertEqual(edu["content"], {"user_ids": []})
        self.assertEqual(self.alice.sync().ephemeral(self.room_id), [])
