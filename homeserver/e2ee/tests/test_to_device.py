from typing import Any

from homeserver.e2ee.tests.keys import send
from tests.wire import WireClient, WireTestCase

Json = Any


class ToDeviceTestCase(WireTestCase):
    # Who polls is there, which would be news to others.
    settings = ("presence.enabled=false",)

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")

    def to(self, client: WireClient, content: Json) -> Json:
        return {client.user_id: {client.device_id: content}}

    def send_many(self, client: WireClient, numbers: range) -> None:
        for number in numbers:
            self.assertEqual(send(self.alice, f"t{number}", self.to(client, {"n": number})).json, {})

    def received(self, client: WireClient, since: str | None = None) -> tuple[list[Json], str]:
        answer = client.sync(since)
        events = answer.json.get("to_device", {}).get("events", [])
        return [event["content"].get("n") for event in events], answer.next_batch

    def rows(self, table: str = "e2ee_to_device") -> int:
        # For the task that deletes what was received.
        self.advance(1)
        count = f"SELECT count(*) FROM {table}"
        found = self.successResultOf(self.server.db.read(lambda txn: txn.row(count)))
        assert found is not None
        return int(found[0])


class DeliveryTests(ToDeviceTestCase):
    def test_a_message_comes_with_its_sender_and_type(self) -> None:
        since = self.bob.sync().next_batch
        send(self.alice, "t", self.to(self.bob, {"text": "þ"}), type_="m.x%2Fy")
        events = self.bob.sync(since).json["to_device"]["events"]
        self.assertEqual(events, [{"sender": "@alice:test", "type": "m.x/y", "content": {"text": "þ"}}])

    def test_until_the_client_has_it(self) -> None:
        since = self.bob.sync().next_batch
        self.send_many(self.bob, range(2))
        numbers, next_batch = self.received(self.bob, since)
        self.assertEqual(numbers, [0, 1])
        # The answer may have been lost.
        self.assertEqual(self.received(self.bob, since)[0], [0, 1])
        self.assertEqual(self.rows(), 2)
        self.assertEqual(self.received(self.bob, next_batch)[0], [])
        self.assertEqual(self.rows(), 0)

    def test_a_waiting_client_is_woken(self) -> None:
        phone = self.log_in(self.bob, "PHONE")
        first, second = (client.start_sync(client.sync().next_batch) for client in (self.bob, phone))
        self.send_many(phone, range(1))
        self.assertIsNone(first.answer)
        assert second.answer is not None
        self.assertEqual(second.answer["to_device"]["events"][0]["content"], {"n": 0})

    def test_many_come_in_several_answers(self) -> None:
        since = self.bob.sync().next_batch
        self.send_many(self.bob, range(250))
        batches = []
        for _ in range(4):
            numbers, since = self.received(self.bob, since)
            batches.append(numbers)
        self.assertEqual(batches, [list(range(100)), list(range(100, 200)), list(range(200, 250)), []])
        self.assertEqual(self.rows(), 0)

    def test_a_long_queue_does_not_wait(self) -> None:
        since = self.bob.sync().next_batch
        self.send_many(self.bob, range(101))
        _, since = self.received(self.bob, since)
        poll = self.bob.start_sync(since)
        assert poll.answer is not None
        self.assertEqual(len(poll.answer["to_device"]["events"]), 1)

    def test_while_a_queue_is_long_messages_in_rooms_are_told_once(self) -> None:
        room_id = self.alice.create_room(members=[self.bob])
        since = self.bob.sync().next_batch
        self.send_many(self.bob, range(150))
        self.alice.send(room_id, "hello")
        first = self.bob.sync(since)
        second = self.bob.sync(first.next_batch)
        self.assertEqual([len(answer.timeline(room_id)) for answer in (first, second)], [1, 0])
        # The token is good for the timeline, too.
        page = self.bob.messages(room_id, from_=first.next_batch, limit=1)
        self.assertEqual(page["chunk"][0]["content"]["body"], "hello")

    def test_a_new_client_gets_what_waits(self) -> None:
        self.send_many(self.bob, range(2))
        numbers, since = self.received(self.bob)
        self.assertEqual(numbers, [0, 1])
        self.assertEqual(self.received(self.bob, since)[0], [])

    def test_nothing_is_lost_or_told_twice_over_restarts(self) -> None:
        since = self.bob.sync().next_batch
        self.send_many(self.bob, range(150))
        self.restart()
        numbers, since = self.received(self.bob, since)
        self.restart()
        more, since = self.received(self.bob, since)
        self.assertEqual(numbers + more, list(range(150)))
        self.restart()
        self.assertEqual(self.received(self.bob, since)[0], [])
        self.assertEqual(self.rows(), 0)


class SendingTests(ToDeviceTestCase):
    def test_to_all_devices(self) -> None:
        phone = self.log_in(self.bob, "PHONE")
        send(self.alice, "t", {"@bob:test": {"*": {"n": 1}, "PHONE": {"n": 2}}})
        self.assertEqual((self.received(self.bob)[0], self.received(phone)[0]), ([1], [2]))
        send(self.alice, "u", {"@alice:test": {"*": {"n": 3}}})
        self.assertEqual(self.received(self.alice)[0], [3])

    def test_once_for_each_transaction_id(self) -> None:
        for _ in range(3):
            self.assertEqual(send(self.alice, "t", self.to(self.bob, {"n": 1})).json, {})
        send(self.alice, "t", self.to(self.bob, {"n": 2}), type_="org.example.other")
        send(self.bob, "t", self.to(self.bob, {"n": 3}))
        self.assertEqual(self.received(self.bob)[0], [1, 2, 3])
        self.restart()
        send(self.alice, "t", self.to(self.bob, {"n": 1}))
        self.assertEqual(self.received(self.bob)[0], [1, 2, 3])

    def test_transaction_ids_are_forgotten_after_a_day(self) -> None:
        send(self.alice, "t", self.to(self.bob, {"n": 1}))
        self.advance(23 * 3600)
        self.assertEqual(self.rows("e2ee_to_device_request"), 1)
        self.advance(3 * 3600)
        self.assertEqual(self.rows("e2ee_to_device_request"), 0)

    def test_who_does_not_exist_is_passed_over(self) -> None:
        messages = {
            "@nobody:test": {"*": {"n": 1}},
            "@carol:elsewhere": {"*": {"n": 1}},
            "@bob:test": {"UNKNOWN": {"n": 1}, self.bob.device_id: {"n": 2}},
        }
        self.assertEqual(send(self.alice, "t", messages).json, {})
        self.assertEqual(self.received(self.bob)[0], [2])
        self.assertEqual(send(self.alice, "u", {}).json, {})

    def test_messages_end_with_the_device(self) -> None:
        phone = self.log_in(self.bob, "PHONE")
        send(self.alice, "t", {"@bob:test": {"*": {"n": 1}}})
        phone.post("/logout")
        self.advance(2 * 3600)
        self.assertEqual(self.rows(), 1)
        self.assertEqual(self.received(self.log_in(self.bob, "PHONE"))[0], [])

    def test_bad_requests(self) -> None:
        large = {"n": "x" * 66_000}
        self.assertEqual(send(self.alice, "t", self.to(self.bob, large)).error, (413, "M_TOO_LARGE"))
        contents: list[Json] = ["text", [], None, 5]
        for content in contents:
            self.assertEqual(send(self.alice, "t", self.to(self.bob, content)).error, (400, "M_BAD_JSON"))
        self.assertEqual(send(self.alice, "t", {"bob": {}}).error, (400, "M_INVALID_PARAM"))
        answer = send(self.alice, "t", self.to(self.bob, {}), type_="x" * 300)
        self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.received(self.bob)[0], [])
