"""What services that encrypt are sent."""

from collections.abc import Mapping
from typing import Any, ClassVar

from appservices.tests.serving import Ghost, ListeningTestCase
from homeserver.e2ee.tests.keys import DeviceKeys
from tests.client import Client


class EncryptionTestCase(ListeningTestCase):
    registration: ClassVar[Mapping[str, Any]] = {
        "url": "http://bridge.example",
        "receive_ephemeral": True,
        "org.matrix.msc3202": True,
    }

    def setUp(self) -> None:
        super().setUp()
        self.sent = 0
        self.alice = self.register("alice")
        self.bob = self.with_device("bob", "PHONE")
        self.reactor.advance(1)
        self.listener.transactions.clear()

    def with_device(self, name: str, device_id: str) -> Ghost:
        ghost = self.ghost(name)
        self.assertEqual(ghost.put(f"/devices/{device_id}", {}).status, 201)
        return self.acting_as(ghost.user_id, device_id)

    def send(self, *bodies: str, to: str = "@_bridge_bob:test", device_id: str = "PHONE") -> None:
        for body in bodies:
            self.sent += 1
            path = f"/sendToDevice/m.test/{self.sent}"
            sent = self.alice.put(path, {"messages": {to: {device_id: {"body": body}}}})
            self.assertEqual(sent.status, 200)

    def publish(self, client: Client) -> None:
        body = {"device_keys": DeviceKeys(client.user_id, client.device_id).device_keys()}
        self.assertEqual(client.post("/keys/upload", body).status, 200)

    def told(self, key: str) -> list[Any]:
        """What the transactions held, each once."""
        return [content[key] for content in dict(self.listener.transactions).values() if key in content]

    def messages(self) -> list[str]:
        return [one["content"]["body"] for several in self.told("to_device") for one in several]


class MessageTests(EncryptionTestCase):
    def test_to_devices_of_its_users(self) -> None:
        self.send("hello")
        expected = {
            "type": "m.test",
            "sender": "@alice:test",
            "to_user_id": "@_bridge_bob:test",
            "to_device_id": "PHONE",
            "content": {"body": "hello"},
        }
        self.assertEqual(self.told("to_device"), [[expected]])
        self.assertEqual(self.told("de.sorunome.msc2409.to_device"), [[expected]])

    def test_to_nobody_else(self) -> None:
        self.send("hello", to="@alice:test", device_id=self.alice.device_id)
        self.assertEqual(self.listener.transactions, [])
        self.assertEqual(self.count("appservice_message"), 0)

    def test_each_once_and_in_order_over_failures_and_restarts(self) -> None:
        self.listener.status = 500
        self.send(*"012")
        first = self.listener.transactions[0]
        self.restart()
        self.send(*"34")
        self.listener.status = 200
        self.reactor.pump([1] * 10)
        repeated = [one for one in self.listener.transactions if one[0] == first[0]]
        self.assertEqual(repeated, [first] * len(repeated))
        self.assertGreater(len(repeated), 1)
        self.assertEqual(self.messages(), list("01234"))
        self.assertEqual((self.count("appservice_message"), self.count("e2ee_to_device")), (0, 0))

    def test_many(self) -> None:
        self.listener.status = 500
        self.send(*map(str, range(250)))
        self.listener.status = 200
        self.reactor.pump([60] * 10)
        self.assertEqual(self.messages(), [str(number) for number in range(250)])

    def test_what_the_device_took_by_sync_is_not_sent(self) -> None:
        self.listener.status = 500
        self.alice.create_room(members=[self.bob])
        self.send("hello")
        answer = self.bob.sync()
        self.assertEqual(len(answer.json["to_device"]["events"]), 1)
        self.bob.sync(answer.next_batch)
        self.reactor.pump([1] * 2)
        self.listener.transactions.clear()
        self.listener.status = 200
        self.reactor.pump([1] * 20)
        self.assertEqual(self.messages(), [])
        self.assertEqual(self.count("appservice_message"), 0)

    def test_what_is_never_taken_ends(self) -> None:
        self.listener.status = 500
        self.send("hello")
        self.publish(self.bob)
        self.assertEqual((self.count("appservice_message"), self.count("appservice_list_change")), (1, 1))
        self.reactor.pump([24 * 3600] * 32)
        self.assertEqual((self.count("appservice_message"), self.count("appservice_list_change")), (0, 0))


class DeviceListTests(EncryptionTestCase):
    def test_of_who_shares_a_room(self) -> None:
        self.publish(self.alice)
        self.assertEqual(self.listener.transactions, [])
        self.alice.create_room(members=[self.bob])
        # Nobody knows what the service missed of those in a room that is new to it.
        self.assertEqual(self.told("device_lists")[-1], {"changed": ["@alice:test"], "left": []})
        self.listener.transactions.clear()
        self.alice.put(f"/devices/{self.alice.device_id}", {"display_name": "Phone"})
        self.assertEqual(self.told("device_lists"), [{"changed": ["@alice:test"], "left": []}])
        self.assertEqual(
            self.told("org.matrix.msc3202.device_lists"), [{"changed": ["@alice:test"], "left": []}]
        )
        self.assertEqual(self.count("appservice_list_change"), 0)

    def test_of_its_own_users(self) -> None:
        self.publish(self.bob)
        self.assertEqual(self.told("device_lists"), [{"changed": ["@_bridge_bob:test"], "left": []}])

    def test_who_comes_and_goes(self) -> None:
        room_id = self.alice.create_room(members=[self.bob], preset="public_chat")
        carol = self.register("carol")
        self.listener.transactions.clear()
        carol.join(room_id)
        self.assertEqual(self.told("device_lists"), [{"changed": ["@carol:test"], "left": []}])
        other = self.alice.create_room(members=[self.bob, carol])
        self.listener.transactions.clear()
        carol.leave(room_id)
        self.assertEqual(self.told("device_lists"), [{"changed": ["@carol:test"], "left": []}])
        self.listener.transactions.clear()
        carol.leave(other)
        self.assertEqual(self.told("device_lists"), [{"changed": [], "left": ["@carol:test"]}])

    def test_a_message_says_nothing_of_keys(self) -> None:
        room_id = self.alice.create_room(members=[self.bob])
        self.listener.transactions.clear()
        self.alice.send(room_id, "hello")
        self.assertEqual(self.told("device_lists"), [])

    def test_it_waits_over_a_restart(self) -> None:
        self.listener.status = 500
        self.publish(self.bob)
        self.listener.transactions.clear()
        self.restart()
        self.listener.status = 200
        self.reactor.pump([1] * 10)
        self.assertEqual(self.told("device_lists"), [{"changed": ["@_bridge_bob:test"], "left": []}])


class KeyCountTests(EncryptionTestCase):
    def test_of_devices_that_get_messages(self) -> None:
        keys = DeviceKeys(self.bob.user_id, "PHONE")
        body = {
            "device_keys": keys.device_keys(),
            "one_time_keys": keys.one_time_keys("a", "b"),
            "fallback_keys": keys.one_time_keys("f", fallback=True),
        }
        self.assertEqual(self.bob.post("/keys/upload", body).status, 200)
        self.listener.transactions.clear()
        self.alice.post("/keys/claim", {"one_time_keys": {self.bob.user_id: {"PHONE": "signed_curve25519"}}})
        self.send("hello")
        for name in ("one_time_keys_count", "one_time_key_counts"):
            expected = {self.bob.user_id: {"PHONE": {"signed_curve25519": 1}}}
            self.assertEqual(self.told(f"org.matrix.msc3202.device_{name}"), [expected])
        unused = [{self.bob.user_id: {"PHONE": ["signed_curve25519"]}}]
        for prefix in ("", "org.matrix.msc3202."):
            self.assertEqual(self.told(f"{prefix}device_unused_fallback_key_types"), unused)

    def test_of_its_own_user_always(self) -> None:
        bot = self.acting_as(self.bot.user_id)
        self.assertEqual(bot.put("/devices/BOT", {}).status, 201)
        self.alice.create_room(members=[self.bob])
        counts = self.told("device_one_time_keys_count")[-1]
        self.assertEqual(counts, {"@bridge:test": {"BOT": {"signed_curve25519": 0}}})


class NotAskedForTests(EncryptionTestCase):
    registration: ClassVar[Mapping[str, Any]] = {"url": "http://bridge.example"}

    def test_nothing_is_sent_or_kept(self) -> None:
        self.send("hello")
        self.assertEqual(self.listener.transactions, [])
        self.assertEqual(self.count("appservice_message"), 0)
        self.assertEqual(len(self.bob.sync().json["to_device"]["events"]), 1)
