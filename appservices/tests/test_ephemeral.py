"""What services are sent beside events."""

from collections.abc import Mapping
from typing import Any, ClassVar

from appservices.tests.serving import ListeningTestCase


class EphemeralTestCase(ListeningTestCase):
    registration: ClassVar[Mapping[str, Any]] = {
        "url": "http://bridge.example",
        "receive_ephemeral": True,
    }

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.carol = self.register("alice"), self.register("carol")
        self.bob = self.ghost("bob")
        self.room_id = self.alice.create_room(members=[self.bob])
        self.reactor.advance(5)
        self.listener.transactions.clear()

    def told(self, type_: str) -> list[Any]:
        """All of a type, without repetitions, a moment later."""
        self.reactor.pump([0.2] * 10)
        numbered = dict(self.listener.transactions)
        found = [one for content in numbered.values() for one in content.get("ephemeral", [])]
        return [one for one in found if one["type"] == type_]

    def type(self, room_id: str, *, typing: bool = True) -> None:
        path = f"/rooms/{room_id}/typing/{self.alice.user_id}"
        body = {"typing": True, "timeout": 30_000} if typing else {"typing": False}
        self.assertEqual(self.alice.put(path, body).status, 200)

    def read(self, event_id: str, type_: str = "m.read", **body: Any) -> None:
        path = f"/rooms/{self.room_id}/receipt/{type_}/{event_id}"
        self.assertEqual(self.alice.post(path, body).status, 200)


class TypingTests(EphemeralTestCase):
    def test_who_types_and_when_no_longer(self) -> None:
        self.type(self.room_id)
        expected = {
            "type": "m.typing",
            "room_id": self.room_id,
            "content": {"user_ids": [self.alice.user_id]},
        }
        self.assertEqual(self.told("m.typing"), [expected])
        self.assertEqual(self.listener.events, [])
        self.type(self.room_id, typing=False)
        self.assertEqual([one["content"]["user_ids"] for one in self.told("m.typing")], [["@alice:test"], []])

    def test_only_in_rooms_that_concern_it(self) -> None:
        self.type(self.alice.create_room())
        self.assertEqual(self.told("m.typing"), [])
        room_id = self.bob.create_room(members=[self.alice], room_alias_name="_bridge_x")
        self.bob.leave(room_id)
        self.type(room_id)
        self.assertEqual([one["room_id"] for one in self.told("m.typing")], [room_id])

    def test_of_what_waits_the_newest(self) -> None:
        self.listener.status = 500
        self.alice.send(self.room_id, "hello")
        self.type(self.room_id)
        self.reactor.pump([0.2] * 3)
        self.type(self.room_id, typing=False)
        self.listener.status = 200
        self.reactor.pump([1] * 10)
        self.assertEqual([one["content"]["user_ids"] for one in self.told("m.typing")], [[]])


class ReceiptTests(EphemeralTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.event_id = self.alice.send(self.room_id, "hello")
        self.listener.transactions.clear()

    def readers(self) -> list[Any]:
        """(event, type, user) of each receipt that was told of."""
        return [
            (event_id, type_, user_id)
            for told in self.told("m.receipt")
            for event_id, by_type in told["content"].items()
            for type_, users in by_type.items()
            for user_id in users
        ]

    def test_receipts(self) -> None:
        self.read(self.event_id, thread_id="main")
        (receipt,) = self.told("m.receipt")
        self.assertEqual(receipt["room_id"], self.room_id)
        (data,) = receipt["content"][self.event_id]["m.read"].values()
        self.assertEqual(data["thread_id"], "main")

    def test_private_ones_of_its_own_users_only(self) -> None:
        self.read(self.event_id, "m.read.private")
        self.assertEqual(self.readers(), [])
        path = f"/rooms/{self.room_id}/receipt/m.read.private/{self.event_id}"
        self.bob.post(path, {})
        self.assertEqual(self.readers(), [(self.event_id, "m.read.private", self.bob.user_id)])

    def test_of_its_rooms_only(self) -> None:
        room_id = self.alice.create_room()
        event_id = self.alice.send(room_id, "elsewhere")
        self.alice.post(f"/rooms/{room_id}/receipt/m.read/{event_id}", {})
        self.assertEqual(self.readers(), [])

    def test_each_once(self) -> None:
        self.read(self.event_id)
        self.assertEqual(len(self.readers()), 1)
        self.listener.transactions.clear()
        self.alice.send(self.room_id, "more")
        self.restart()
        self.assertEqual(self.readers(), [])

    def test_they_wait_over_a_restart(self) -> None:
        self.listener.status = 500
        self.read(self.event_id)
        self.assertEqual(len(self.readers()), 1)
        ((number, first), *_) = self.listener.transactions
        self.listener.transactions.clear()
        self.restart()
        self.listener.status = 200
        self.reactor.pump([1] * 10)
        self.assertEqual(self.listener.transactions[0], (number, first))
        self.assertEqual(len(self.readers()), 1)

    def test_more_than_one_transaction_holds(self) -> None:
        self.listener.status = 500
        threads = [self.alice.send(self.room_id, str(number)) for number in range(150)]
        for thread in threads:
            self.read(thread, thread_id=thread)
        self.listener.status = 200
        self.listener.transactions.clear()
        self.reactor.pump([60] * 10)
        self.assertEqual(sorted(event_id for event_id, _, _ in self.readers()), sorted(threads))


class PresenceTests(EphemeralTestCase):
    def be(self, client: Any, presence: str) -> None:
        self.assertEqual(client.put(f"/presence/{client.user_id}/status", {"presence": presence}).status, 200)
        self.reactor.pump([1] * 3)

    def present(self) -> list[Any]:
        return [(one["sender"], one["content"]["presence"]) for one in self.told("m.presence")]

    def test_of_who_shares_a_room_with_its_users(self) -> None:
        self.be(self.alice, "online")
        self.be(self.carol, "online")
        self.be(self.alice, "unavailable")
        self.assertEqual(
            [one for one in self.present() if one[0] != self.bob.user_id][-2:],
            [("@alice:test", "online"), ("@alice:test", "unavailable")],
        )

    def test_of_its_own_users(self) -> None:
        self.be(self.ghost("dora"), "online")
        self.assertIn(("@_bridge_dora:test", "online"), self.present())


class UnstableTests(EphemeralTestCase):
    registration: ClassVar[Mapping[str, Any]] = {
        "url": "http://bridge.example",
        "de.sorunome.msc2409.push_ephemeral": True,
    }

    def test_by_the_old_name(self) -> None:
        self.type(self.room_id)
        self.assertEqual(self.told("m.typing"), [])
        told = [content["de.sorunome.msc2409.ephemeral"] for _, content in self.listener.transactions]
        self.assertIn("m.typing", [one["type"] for several in told for one in several])


class UninterestedTests(EphemeralTestCase):
    registration: ClassVar[Mapping[str, Any]] = {"url": "http://bridge.example"}

    def test_nothing_unasked_for(self) -> None:
        self.type(self.room_id)
        self.read(self.alice.send(self.room_id, "hello"))
        self.assertEqual(self.told("m.typing"), [])
        self.assertEqual([sorted(content) for _, content in self.listener.transactions], [["events"]])
