"""Sending events with transaction IDs at the wire."""

from typing import Any

from tests.client import Answer
from tests.wire import WireClient, WireTestCase, each

Json = Any

FORBIDDEN = (403, "M_FORBIDDEN")
MESSAGE = {"msgtype": "m.text", "body": "hello"}


class SendTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob])

    def path(self, txn_id: str, type_: str = "m.room.message") -> str:
        return f"/rooms/{self.room_id}/send/{type_}/{txn_id}"

    def put(self, sender: WireClient, txn_id: str, content: Json = MESSAGE) -> str:
        event_id: str = sender.put(self.path(txn_id), content)["event_id"]
        return event_id

    def sent(self) -> list[str]:
        """The IDs of all messages, oldest first."""
        chunk = self.alice.messages(self.room_id, dir="f", limit=1000)["chunk"]
        return [event["event_id"] for event in chunk if event["type"] == "m.room.message"]


class SendTests(SendTestCase):
    def test_event(self) -> None:
        event_id = self.put(self.bob, "1")
        event = self.alice.event(self.room_id, event_id).json
        self.assertEqual(event.pop("unsigned"), {"age": 0, "membership": "join"})
        self.assertEqual(
            event,
            {
                "type": "m.room.message",
                "content": MESSAGE,
                "event_id": event_id,
                "room_id": self.room_id,
                "sender": self.bob.user_id,
                "origin_server_ts": 1_700_000_000_000,
            },
        )

    def test_order(self) -> None:
        event_ids = [self.put(sender, str(n)) for n in range(5) for sender in (self.alice, self.bob)]
        self.assertEqual(self.sent(), event_ids)

    def test_content_comes_back_as_it_was(self) -> None:
        def check(content: Json) -> None:
            event_id = self.alice.put(self.path(str(content)[:20]), content)["event_id"]
            self.assertEqual(self.bob.event(self.room_id, event_id)["content"], content)

        each(
            check,
            [
                {},
                {"a": None, "b": [True, False, [], {}], "c": {"": ""}},
                {"n": 2**53 - 1, "m": -(2**53) + 1, "zero": 0},
                {"text": '\u0000 \u001f \u007f \ud7ff \U0010ffff " \\ / é'},
                {"unsigned": {"age": 5}, "event_id": "x"},
            ],
        )

    def test_types_of_all_kinds(self) -> None:
        for type_ in ("org.example", "a%2Fb", "é", "t" * 255):
            self.assertEqual(self.alice.put(self.path("1", type_), {}).status, 200)

    def test_contents_that_are_no_events(self) -> None:
        def check(content: Json) -> None:
            self.assertEqual(self.alice.put(self.path("1"), content).error, (400, "M_BAD_JSON"))

        each(
            check,
            [
                {"a": 1.0},
                b'{"a": 1e2}',
                {"a": [{"b": 0.1}]},
                {"a": 2**53},
                {"a": -(2**53)},
                {"a": 10**400},
                [],
                "text",
                5,
                b"null",
            ],
        )
        self.assertEqual(self.sent(), [])

    def test_texts_that_are_no_json(self) -> None:
        def check(content: bytes) -> None:
            self.assertEqual(self.alice.put(self.path("1"), content).error, (400, "M_NOT_JSON"))

        each(
            check,
            [
                b"",
                b"{",
                b"{'a': 1}",
                b'{"a": NaN}',
                b'{"a": "\xff"}',
                b'{"a": "\\ud800"}',
                b"\xef\xbb\xbf{}",
                b"[" * 100_000,
            ],
        )

    def test_nesting_of_any_depth(self) -> None:
        for depth in (10, 100, *range(150, 1200, 50), 10_000):
            answer = self.alice.put(self.path(f"{depth}"), b'{"a": ' * depth + b"1" + b"}" * depth)
            self.assertIn(answer.status, (200, 400), depth)
        self.assertEqual(self.alice.messages(self.room_id, limit=100).status, 200)
        self.assertGreater(len(self.bob.sync().timeline(self.room_id)), 0)

    def test_size_of_events(self) -> None:
        def status(characters: int) -> int:
            return self.alice.put(self.path(str(characters)), {"body": "x" * characters}).status

        fits, too_large = 64_000, 65_536
        self.assertEqual((status(fits), status(too_large)), (200, 413))
        while too_large - fits > 1:
            middle = (fits + too_large) // 2
            fits, too_large = (middle, too_large) if status(middle) == 200 else (fits, middle)
        refusal = self.alice.put(self.path("x"), {"body": "x" * too_large})
        self.assertEqual(refusal.error, (413, "M_TOO_LARGE"))
        # What surrounds the content in this room is between a few hundred bytes and a kilobyte.
        self.assertTrue(64_500 < fits < 65_300, fits)

    def test_who_is_not_in_the_room(self) -> None:
        carol = self.register("carol")
        self.assertEqual(carol.put(self.path("1"), MESSAGE).error, FORBIDDEN)
        self.alice.invite(self.room_id, carol)
        self.assertEqual(carol.put(self.path("1"), MESSAGE).error, FORBIDDEN)
        self.bob.leave(self.room_id)
        self.assertEqual(self.bob.put(self.path("1"), MESSAGE).error, FORBIDDEN)

    def test_power(self) -> None:
        levels = self.alice.state(self.room_id, "m.room.power_levels").json
        levels["events"] = {"m.room.message": 1}
        self.alice.set_state(self.room_id, "m.room.power_levels", levels)
        self.assertEqual(self.bob.put(self.path("1"), MESSAGE).error, FORBIDDEN)
        self.assertEqual(self.bob.put(self.path("1", "m.reaction"), {}).status, 200)

    def test_unknown_room(self) -> None:
        path = "/rooms/!nowhere:test/send/m.room.message/1"
        self.assertEqual(self.alice.put(path, MESSAGE).error, (404, "M_NOT_FOUND"))

    def test_rooms_of_version_11(self) -> None:
        room_id = self.alice.create_room(room_version="11", members=[self.bob])
        event_id = self.bob.send(room_id, "hello")
        self.assertEqual(self.alice.event(room_id, event_id)["content"]["body"], "hello")


class TransactionTests(SendTestCase):
    def test_repeated(self) -> None:
        first = self.put(self.alice, "1")
        self.assertEqual(self.put(self.alice, "1"), first)
        self.assertEqual(self.put(self.alice, "1", {"body": "something else"}), first)
        self.assertEqual(self.sent(), [first])

    def test_repeated_after_others(self) -> None:
        event_ids = [self.put(self.alice, str(n)) for n in range(150)]
        self.put(self.bob, "1")
        self.assertEqual([self.put(self.alice, str(n)) for n in range(150)], event_ids)

    def test_repeated_after_a_restart(self) -> None:
        event_ids = [self.put(self.alice, str(n)) for n in range(3)]
        self.restart()
        self.assertEqual([self.put(self.alice, str(n)) for n in (2, 0, 1)], [event_ids[n] for n in (2, 0, 1)])
        self.assertEqual(self.sent(), event_ids)

    def test_repeated_after_leaving(self) -> None:
        first = self.put(self.bob, "1")
        self.bob.leave(self.room_id)
        self.assertEqual(self.put(self.bob, "1"), first)

    def test_scope(self) -> None:
        """The same ID makes another event for another user, device, room, type or endpoint."""
        other_room = self.alice.create_room()
        phone = self.log_in(self.alice, "PHONE")
        event_ids = [
            self.put(self.alice, "1"),
            self.put(self.bob, "1"),
            self.put(phone, "1"),
            self.alice.put(self.path("1", "m.reaction"), {})["event_id"],
            self.alice.put(f"/rooms/{other_room}/send/m.room.message/1", MESSAGE)["event_id"],
        ]
        event_ids.append(self.alice.put(f"/rooms/{self.room_id}/redact/{event_ids[0]}/1", {})["event_id"])
        self.assertEqual(len(set(event_ids)), 6)

    def test_old_and_new_paths_are_one(self) -> None:
        first = self.put(self.alice, "1")
        old = self.alice.put("/_matrix/client/r0" + self.path("1"), MESSAGE)
        self.assertEqual(old["event_id"], first)

    def test_ids_of_all_kinds(self) -> None:
        for txn_id in ("a%2Fb", "é", "x" * 1000, "%F0%9F%90%88", " "):
            first = self.put(self.alice, txn_id)
            self.assertEqual(self.put(self.alice, txn_id), first)
            event = self.alice.event(self.room_id, first).json
            self.assertIn("transaction_id", event["unsigned"])

    def test_a_refused_request_uses_none(self) -> None:
        self.alice.put(self.path("1"), {"a": 0.5})
        first = self.put(self.alice, "1")
        self.assertEqual(self.sent(), [first])

    def test_only_the_device_that_sent_it_is_told_its_id(self) -> None:
        event_id = self.put(self.alice, "my-txn")
        phone = self.log_in(self.alice, "PHONE")

        def told(client: WireClient) -> list[Json]:
            page = client.messages(self.room_id, limit=1)["chunk"]
            synced = client.sync().timeline(self.room_id)[-1:]
            return [
                event["unsigned"].get("transaction_id")
                for event in (client.event(self.room_id, event_id).json, *page, *synced)
            ]

        self.assertEqual(told(self.alice), ["my-txn"] * 3)
        self.assertEqual(told(phone), [None] * 3)
        self.assertEqual(told(self.bob), [None] * 3)

    def test_a_day_later_it_is_forgotten(self) -> None:
        event_id = self.put(self.alice, "1")
        self.reactor.pump([3600.0] * 26)
        self.assertNotIn("transaction_id", self.alice.event(self.room_id, event_id)["unsigned"])


class ConcurrentTests(SendTestCase):
    """Requests that come while others are on their way to the disk."""

    def while_halted(self, *requests: tuple[WireClient, str, str, Json]) -> list[Answer]:
        """Sends all of them before the database does anything."""
        self.threads.halt()
        exchanges = [client.start(method, path, body) for client, method, path, body in requests]
        self.assertEqual([exchange.answer for exchange in exchanges], [None] * len(requests))
        self.threads.go_on()
        answers = [exchange.answer for exchange in exchanges]
        assert None not in answers
        return [answer for answer in answers if answer is not None]

    def test_the_same_transaction(self) -> None:
        request = (self.alice, "PUT", self.path("1"), MESSAGE)
        answers = self.while_halted(request, request, request)
        self.assertEqual(self.sent(), [answers[0]["event_id"]])
        self.assertEqual([answer.json for answer in answers], [answers[0].json] * 3)

    def test_the_same_transaction_that_is_refused(self) -> None:
        request = (self.alice, "PUT", self.path("1"), {"a": 0.5})
        errors = [answer.error for answer in self.while_halted(request, request)]
        self.assertEqual(errors, [(400, "M_BAD_JSON")] * 2)

    def test_many_senders(self) -> None:
        """All are stored, in the order in which they came, one after the other."""
        requests = [
            (sender, "PUT", self.path(f"{n}"), {"body": f"{sender.user_id} {n}"})
            for n in range(20)
            for sender in (self.alice, self.bob)
        ]
        answers = self.while_halted(*requests)
        self.assertEqual(self.sent(), [answer["event_id"] for answer in answers])

    def test_a_hang_up_loses_nothing_that_was_queued(self) -> None:
        self.put(self.alice, "1")
        self.threads.halt()
        gone = self.alice.start("PUT", self.path("2"), MESSAGE)
        stays = self.bob.start("PUT", self.path("2"), MESSAGE)
        gone.hang_up()
        self.threads.go_on()
        answer = stays.answer
        assert answer is not None
        self.assertIn(answer["event_id"], self.sent())
        # Whether or not the first was stored, trying again stores it once.
        again = self.put(self.alice, "2")
        self.assertEqual(self.sent().count(again), 1)
        self.assertEqual(len(self.sent()), 3)

    def test_state_races(self) -> None:
        """Of two who set the same state at once both succeed, and the later one holds."""
        levels = self.alice.state(self.room_id, "m.room.power_levels").json
        self.alice.set_state(self.room_id, "m.room.power_levels", {**levels, "state_default": 0})
        path = f"/rooms/{self.room_id}/state/m.room.topic"
        answers = self.while_halted(
            (self.alice, "PUT", path, {"topic": "first"}), (self.bob, "PUT", path, {"topic": "second"})
        )
        self.assertEqual([answer.status for answer in answers], [200, 200])
        self.assertEqual(self.alice.state(self.room_id, "m.room.topic")["topic"], "second")

    def test_rights_are_those_of_the_moment(self) -> None:
        """A message behind the ban of its sender is refused."""
        # Which rooms lack members is asked once after a start, and would hold the ban up.
        self.alice.get(f"/rooms/{self.room_id}/members")
        ban = (self.alice, "POST", f"/rooms/{self.room_id}/ban", {"user_id": self.bob.user_id})
        banned, refused = self.while_halted(ban, (self.bob, "PUT", self.path("1"), MESSAGE))
        self.assertEqual((banned.status, refused.error), (200, FORBIDDEN))
