"""Changes of keys, told from server to server; both are whole."""

from typing import Any

from federation.devices.tests.test_keys import KeysTestCase
from federation.joining.tests.neighbours import HOME
from homeserver.e2ee.tests.keys import CrossSigningKeys, DeviceKeys, publish, query
from homeserver.protocol.signing import SigningKey
from tests.client import Json


class ChangeTests(KeysTestCase):
    """Alice and Bob share a room, and Bob's server keeps the list of Alice's devices."""

    def setUp(self) -> None:
        super().setUp()
        self.join(self.room_id)
        self.devices(self.alice)
        self.since = self.bob.sync().next_batch
        self.asked()

    def changed(self) -> list[str]:
        """Whose keys changed, as Bob is told."""
        self.settle()
        answer = self.bob.sync(self.since)
        self.since = answer.next_batch
        changed: list[str] = answer.json.get("device_lists", {}).get("changed", [])
        return changed

    def test_a_new_device(self) -> None:
        phone = self.home.log_in(self.alice, "PHONE")
        self.assertEqual(self.changed(), [])
        publish(phone)
        self.assertEqual(self.changed(), [self.alice.user_id])
        self.assertEqual(set(self.devices(self.alice)), {self.alice.device_id, "PHONE"})
        self.assertEqual(self.asked(), ["/devices"])
        # From now on it is known what each change follows.
        phone.post("/logout")
        self.assertEqual(self.changed(), [self.alice.user_id])
        self.assertEqual(set(self.devices(self.alice)), {self.alice.device_id})
        self.assertEqual(self.asked(), [])

    def test_cross_signing_keys(self) -> None:
        phone = self.home.log_in(self.alice, "PHONE")
        keys = self.cross_signing.sign("self_signing", publish(phone).device_keys())
        self.changed()
        self.devices(self.alice)
        self.asked()
        self.alice.post("/keys/signatures/upload", {self.alice.user_id: {"PHONE": keys}})
        self.assertEqual(self.changed(), [self.alice.user_id])
        signatures = self.devices(self.alice)["PHONE"]["signatures"][self.alice.user_id]
        self.assertEqual(len(signatures), 2)
        self.assertEqual(self.asked(), [])

    def test_new_cross_signing_keys(self) -> None:
        self.join(self.room_id)
        publish(self.bob)
        self.settle()
        since = self.alice.sync().next_batch
        body = CrossSigningKeys(self.bob.user_id).body()
        query(self.alice, self.bob)
        self.assertEqual(self.bob.post("/keys/device_signing/upload", body).status, 200)
        self.settle()
        self.assertEqual(self.alice.sync(since).json["device_lists"]["changed"], [self.bob.user_id])
        before = len(self.network.requests)
        found = query(self.alice, self.bob)
        self.assertIn(self.bob.user_id, found["master_keys"])
        self.assertIn(self.bob.user_id, found["self_signing_keys"])
        self.assertEqual(len(self.network.requests), before)

    def test_over_an_outage(self) -> None:
        """What waited is told of once, and what it follows is missing: the list is asked for."""
        publish(self.home.log_in(self.alice, "PHONE"))
        self.changed()
        self.devices(self.alice)
        self.network.down.add("test")
        tablet = self.home.log_in(self.alice, "TABLET")
        publish(tablet)
        self.assertEqual(self.changed(), [])
        tablet.put("/devices/TABLET", {"display_name": "not told"})
        tablet.post("/logout")
        self.settle()
        self.assertEqual(self.home.count("federation_waiting_edu"), 1)
        self.network.down.clear()
        self.home.restart()
        self.network.doors[HOME] = self.home.site
        self.home.advance(600)
        self.assertEqual(self.changed(), [self.alice.user_id])
        self.assertEqual(self.home.count("federation_waiting_edu"), 0)
        self.asked()
        self.assertEqual(set(self.devices(self.alice)), {self.alice.device_id, "PHONE"})
        self.assertEqual(self.asked(), ["/devices"])

    def test_nobody_is_told_who_shares_no_room(self) -> None:
        self.bob.post(f"/rooms/{self.room_id}/leave")
        self.settle()
        publish(self.home.log_in(self.alice, "PHONE"))
        self.assertEqual(self.home.count("federation_waiting_edu"), 0)
        self.assertEqual(self.home.count("federation_told_devices"), 0)

    def test_an_end_of_all(self) -> None:
        publish(self.home.log_in(self.alice, "PHONE"))
        self.assertEqual(self.home.count("federation_told_devices"), 1)
        self.alice.post("/logout/all")
        self.changed()
        self.assertEqual(self.devices(self.alice), {})


class GapTests(KeysTestCase):
    """What Alice's server says of her devices, word by word; the list that is kept is of its change 7."""

    def setUp(self) -> None:
        super().setUp()
        self.join(self.room_id)
        self.liar = self.other_server(HOME)
        self.liar.key = SigningKey("test", b"\x01" * 32)
        self.network.lies["/user/devices"] = lambda answer: {**answer, "stream_id": 7}
        self.devices(self.alice)
        self.asked()
        self.since = self.bob.sync().next_batch
        self.sent = 0

    def tell(self, stream_id: int, *prev_id: int, **more: Any) -> bool:
        """Whether Bob is told of it."""
        device = DeviceKeys(self.alice.user_id, "NEW")
        keys = {"user_id": self.alice.user_id, "device_id": "NEW", "keys": device.device_keys()}
        return self.tell_of(
            "m.device_list_update", stream_id=stream_id, prev_id=list(prev_id), **{**keys, **more}
        )

    def tell_of(self, edu_type: str, **content: Any) -> bool:
        self.sent += 1
        body = {
            "origin": HOME,
            "origin_server_ts": 1,
            "pdus": [],
            "edus": [{"edu_type": edu_type, "content": content}],
        }
        answer = self.liar.put(f"/_matrix/federation/v1/send/told{self.sent}", body)
        self.assertEqual(answer.status, 200)
        sync = self.bob.sync(self.since)
        self.since = sync.next_batch
        return "changed" in sync.json.get("device_lists", {})

    def known(self) -> set[str]:
        """Alice's devices, without asking."""
        known = set(self.devices(self.alice))
        self.assertEqual(self.asked(), [])
        return known

    def test_what_follows(self) -> None:
        self.assertTrue(self.tell(8, 7, device_display_name="phone"))
        self.assertEqual(self.known(), {self.alice.device_id, "NEW"})
        self.assertEqual(self.devices(self.alice)["NEW"]["unsigned"], {"device_display_name": "phone"})
        self.assertTrue(self.tell(9, 8, deleted=True))
        self.assertEqual(self.known(), {self.alice.device_id})

    def test_old_news(self) -> None:
        for stream_id in (6, 7):
            self.assertFalse(self.tell(stream_id, 5))
        self.assertEqual(self.known(), {self.alice.device_id})

    def test_gaps(self) -> None:
        for stream_id, prev_id in ((9, [8]), (8, []), (9, [7, 8])):
            self.assertTrue(self.tell(stream_id, *prev_id))
            self.assertEqual(self.count("federation_device_list"), 0)
            self.assertEqual(set(self.devices(self.alice)), {self.alice.device_id})
            self.assertEqual(self.asked(), ["/devices"])

    def test_keys_of_somebody_else(self) -> None:
        other = DeviceKeys(self.bob.user_id, "NEW").device_keys()
        self.assertTrue(self.tell(8, 7, keys=other))
        self.assertEqual(self.known(), {self.alice.device_id})

    def test_cross_signing_keys(self) -> None:
        alice = self.alice.user_id
        new = CrossSigningKeys(alice, 2)
        keys = {"master_key": new.key("master"), "self_signing_key": new.key("self_signing")}
        self.assertTrue(self.tell_of("m.signing_key_update", user_id=alice, **keys))
        found = query(self.bob, self.alice)
        self.assertEqual(found["master_keys"][alice]["keys"], new.key("master")["keys"])
        self.assertEqual(found["self_signing_keys"][alice]["keys"], new.key("self_signing")["keys"])
        odd = {"user_id": alice, "keys": {}}
        self.tell_of("m.signing_key_update", user_id=alice, master_key=odd)
        self.assertEqual(query(self.bob, self.alice)["master_keys"][alice]["keys"], new.key("master")["keys"])
        self.assertEqual(self.asked(), [])

    def test_a_change_while_the_list_is_fetched(self) -> None:
        """What was asked for may be older than the change, so it is not kept."""
        self.tell(9, 8)

        changes = iter([True])

        def change_before(answer: Json) -> Json:
            if next(changes, False):
                self.tell(10, 9)
            return answer

        self.network.lies["/user/devices"] = change_before
        for asked in (["/devices"], ["/devices"], []):
            self.devices(self.alice)
            self.assertEqual(self.asked(), asked)
