"""Repeated transaction IDs at the wire: https://spec.matrix.org/v1.19/client-server-api/#transaction-identifiers."""

from tests.client import Answer
from tests.wire import WireClient, WireTestCase


class ReplayTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob])
        self.sent = self.say(self.alice, "1")

    def path(self, txn_id: str) -> str:
        return f"/rooms/{self.room_id}/send/m.room.message/{txn_id}"

    def say(self, client: WireClient, txn_id: str) -> Answer:
        return client.put(self.path(txn_id), {"msgtype": "m.text", "body": "hi"})

    def messages(self) -> list[str]:
        chunk = self.bob.messages(self.room_id, dir="f", limit=200)["chunk"]
        return [event["event_id"] for event in chunk if event["type"] == "m.room.message"]

    def test_the_answer_is_repeated_and_the_event_is_not(self) -> None:
        self.assertEqual(self.say(self.alice, "1").json, self.sent.json)
        self.assertEqual(self.messages(), [self.sent["event_id"]])

    def test_another_device_or_user_has_its_own_ids(self) -> None:
        others = [self.say(self.log_in(self.alice, "OTHER"), "1"), self.say(self.bob, "1")]
        self.assertEqual(self.messages(), [sent["event_id"] for sent in (self.sent, *others)])

    def test_a_restart_changes_nothing(self) -> None:
        self.restart()
        self.assertEqual(self.say(self.alice, "1").json, self.sent.json)
        self.assertEqual(self.messages(), [self.sent["event_id"]])

    def test_it_does_not_touch_the_database(self) -> None:
        """So nothing that others send is built on an event that will not be."""
        self.threads.halt()
        answer = self.alice.start("PUT", self.path("1"), {"msgtype": "m.text", "body": "hi"}).answer
        self.threads.go_on()
        assert answer is not None, "it waits for the database"
        self.assertEqual(answer.json, self.sent.json)

    def test_old_ones_are_known_to_the_database(self) -> None:
        for number in range(2, 103):
            self.say(self.alice, str(number))
        self.assertEqual(self.say(self.alice, "1").json, self.sent.json)
        self.assertEqual(self.messages().count(self.sent["event_id"]), 1)

    def test_it_may_come_after_leaving_the_room(self) -> None:
        self.alice.post(f"/rooms/{self.room_id}/leave")
        self.assertEqual(self.say(self.alice, "1").json, self.sent.json)
        self.assertEqual(self.say(self.alice, "2").error, (403, "M_FORBIDDEN"))
