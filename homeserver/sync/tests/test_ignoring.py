from typing import Any

from tests.wire import WireClient, WireTestCase

Json = Any


class IgnoringTests(WireTestCase):
    """https://spec.matrix.org/v1.19/client-server-api/#ignoring-users"""

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob, self.eve = (self.register(name) for name in ("alice", "bob", "eve"))
        self.room_id = self.alice.create_room(preset="public_chat", members=[self.bob, self.eve])
        self.before = self.alice.sync().next_batch

    def ignore(self, *users: WireClient | str) -> None:
        ids = [user if isinstance(user, str) else user.user_id for user in users]
        content: Json = {"ignored_users": {user_id: {} for user_id in ids}}
        path = f"/user/{self.alice.user_id}/account_data/m.ignored_user_list"
        self.assertEqual(self.alice.put(path, content).status, 200)

    def told(self, since: str | None = None, **query: Json) -> list[str]:
        """The texts of messages that Alice's sync tells her."""
        timeline = self.alice.sync(since, **query).timeline(self.room_id)
        return [event["content"]["body"] for event in timeline if "body" in event["content"]]

    def test_messages_are_left_out_of_every_sync(self) -> None:
        self.ignore(self.eve)
        since = self.alice.sync().next_batch
        self.eve.send(self.room_id, "spam")
        self.bob.send(self.room_id, "hello")
        self.assertEqual(self.told(since), ["hello"])
        self.assertEqual(self.told(since, filter={"room": {"timeline": {"contains_url": False}}}), ["hello"])
        self.assertEqual(self.told(self.before), ["hello"])
        self.assertEqual(self.told(), ["hello"])
        answer = self.bob.sync()
        self.assertIn("spam", [event["content"].get("body") for event in answer.timeline(self.room_id)])

    def test_a_sync_that_waits_is_not_ended_by_them(self) -> None:
        self.ignore(self.eve)
        self.advance(400)
        self.advance(1)
        since = self.alice.sync(set_presence="offline").next_batch
        poll = self.alice.start_sync(since, set_presence="offline")
        self.eve.send(self.room_id, "spam")
        self.assertIsNone(poll.answer)
        poll.hang_up()

    def test_it_holds_at_once_and_ends_at_once(self) -> None:
        self.eve.send(self.room_id, "one")
        self.ignore(self.eve)
        self.assertEqual(self.told(self.before), [])
        since = self.alice.sync(self.before).next_batch
        self.ignore()
        self.eve.send(self.room_id, "two")
        self.assertEqual(self.told(since), ["two"])
        self.assertEqual(self.told(), ["one", "two"])

    def test_a_page_is_filled_without_them(self) -> None:
        self.ignore(self.eve)
        self.bob.send(self.room_id, "old")
        for number in range(15):
            self.eve.send(self.room_id, f"spam {number}")
        self.assertEqual(self.told(), ["old"])
        page = self.alice.messages(self.room_id, limit=1)
        self.assertEqual([event["content"]["body"] for event in page["chunk"]], ["old"])

    def test_state_is_told(self) -> None:
        self.ignore(self.eve)
        since = self.alice.sync().next_batch
        self.eve.leave(self.room_id)
        (event,) = self.alice.sync(since).timeline(self.room_id)
        self.assertEqual((event["type"], event["sender"]), ("m.room.member", self.eve.user_id))

    def test_their_events_cannot_be_read(self) -> None:
        event_id = self.eve.send(self.room_id, "spam")
        self.ignore(self.eve)
        self.assertEqual(self.alice.event(self.room_id, event_id).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.bob.event(self.room_id, event_id).status, 200)
        around = self.bob.send(self.room_id, "hello")
        self.eve.send(self.room_id, "more spam")
        context = self.alice.get(f"/rooms/{self.room_id}/context/{around}")
        nearby = [*context["events_before"], *context["events_after"]]
        self.assertNotIn("m.room.message", [event["type"] for event in nearby])

    def test_their_events_can_be_reported(self) -> None:
        event_id = self.eve.send(self.room_id, "spam")
        self.ignore(self.eve)
        self.assertEqual(self.alice.post(f"/rooms/{self.room_id}/report/{event_id}").status, 200)

    def test_their_invitations_are_hidden(self) -> None:
        self.ignore(self.eve)
        since = self.alice.sync().next_batch
        bad = self.eve.create_room(invite=[self.alice.user_id])
        good = self.bob.create_room(invite=[self.alice.user_id])
        for token in (since, None):
            answer = self.alice.sync(token)
            self.assertIsNone(answer.room(bad, "invite"))
            self.assertIsNotNone(answer.room(good, "invite"))
        self.ignore()
        self.assertIsNotNone(self.alice.sync().room(bad, "invite"))

    def test_they_neither_type_nor_read_nor_are_there(self) -> None:
        self.ignore(self.eve)
        event_id = self.bob.send(self.room_id, "hello")
        self.advance(400)
        self.advance(1)
        since = self.alice.sync(set_presence="offline").next_batch
        for user in (self.bob, self.eve):
            user.put(f"/rooms/{self.room_id}/typing/{user.user_id}", {"typing": True})
            user.post(f"/rooms/{self.room_id}/receipt/m.read/{event_id}")
        self.advance(1)
        for token in (since, None):
            answer = self.alice.sync(token, set_presence="offline")
            typing, receipts = sorted(
                answer.ephemeral(self.room_id), key=lambda edu: edu["type"] != "m.typing"
            )
            self.assertEqual(typing["content"]["user_ids"], [self.bob.user_id])
            self.assertEqual(list(receipts["content"][event_id]["m.read"]), [self.bob.user_id])
            senders = [event["sender"] for event in answer.json["presence"]["events"]]
            self.assertEqual(senders, [self.bob.user_id])

    def test_nothing_is_told_where_only_they_did_something(self) -> None:
        self.ignore(self.eve)
        event_id = self.bob.send(self.room_id, "hello")
        self.advance(400)
        self.advance(1)
        since = self.alice.sync(set_presence="offline").next_batch
        self.eve.post(f"/rooms/{self.room_id}/receipt/m.read/{event_id}")
        self.assertIsNone(self.alice.sync(since, set_presence="offline").room(self.room_id))

    def test_nonsense_ignores_nobody(self) -> None:
        path = f"/user/{self.alice.user_id}/account_data/m.ignored_user_list"
        for content in ({}, {"ignored_users": [self.eve.user_id]}, {"ignored_users": None}):
            self.alice.put(path, content)
            since = self.alice.sync().next_batch
            self.eve.send(self.room_id, "hi")
            self.assertEqual(self.told(since), ["hi"])

    def test_after_a_restart(self) -> None:
        self.ignore(self.eve)
        self.restart()
        self.eve.send(self.room_id, "spam")
        self.assertEqual(self.told(self.before), [])
