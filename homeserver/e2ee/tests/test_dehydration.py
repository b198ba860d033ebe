from typing import Any

from homeserver.e2ee.tests.keys import DeviceKeys, claim, publish, query, send
from tests.client import Answer
from tests.wire import WireClient, WireTestCase

Json = Any
DEVICE = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"


class DehydrationTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.data = {"algorithm": "m.dehydration.v2", "device_pickle": "x", "nonce": "y"}

    def body(self, device_id: str = "DRY") -> Json:
        keys = DeviceKeys("@alice:test", device_id)
        return {
            "device_id": device_id,
            "device_data": self.data,
            "initial_device_display_name": "Dehydrated",
            "device_keys": keys.device_keys(dehydrated=True),
            "one_time_keys": keys.one_time_keys("A"),
            "fallback_keys": keys.one_time_keys("F", fallback=True),
        }

    def put(self, device_id: str = "DRY", **change: Json) -> Answer:
        return self.alice.put(DEVICE, {**self.body(device_id), **change})

    def devices(self) -> list[str]:
        return sorted(query(self.bob, self.alice)["device_keys"]["@alice:test"])

    def events(self, client: WireClient, device_id: str = "DRY", **query_: Json) -> Answer:
        return client.get(f"{DEVICE}/{device_id}/events", **query_)

    def test_there_is_none_at_first(self) -> None:
        self.assertEqual(self.alice.get(DEVICE).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.alice.delete(DEVICE).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.events(self.alice).error, (403, "M_FORBIDDEN"))

    def test_it_is_a_device_to_others(self) -> None:
        self.assertEqual(self.put().json, {"device_id": "DRY"})
        self.assertEqual(self.alice.get(DEVICE).json, {"device_id": "DRY", "device_data": self.data})
        self.assertEqual(self.bob.get(DEVICE).error, (404, "M_NOT_FOUND"))
        shown = query(self.bob, self.alice)["device_keys"]["@alice:test"]["DRY"]
        self.assertIs(shown["dehydrated"], True)
        self.assertEqual(self.alice.get("/devices/DRY")["display_name"], "Dehydrated")
        dry = WireClient(self.site, "@alice:test", "", "DRY")
        names = [list(claim(self.bob, dry)["@alice:test"]["DRY"]) for _ in range(2)]
        self.assertEqual(names, [["signed_curve25519:A"], ["signed_curve25519:F"]])

    def test_others_are_told(self) -> None:
        self.alice.create_room(members=[self.bob])
        since = self.bob.sync().next_batch
        for change in (self.put, lambda: self.alice.delete(DEVICE)):
            change()
            answer = self.bob.sync(since)
            self.assertEqual(answer.json["device_lists"]["changed"], ["@alice:test"])
            since = answer.next_batch

    def test_the_next_one_replaces_it(self) -> None:
        self.put()
        send(self.bob, "t", {"@alice:test": {"DRY": {"n": 1}}})
        for device_id in ("DRY", "DRIER"):
            self.assertEqual(self.put(device_id).status, 200)
            self.assertEqual(self.devices(), [device_id])
            self.assertEqual(self.events(self.alice, device_id).json, {"events": []})

    def test_messages_come_in_batches_and_stay(self) -> None:
        self.put()
        for number in range(5):
            send(self.bob, f"t{number}", {"@alice:test": {"DRY": {"n": number}}})
        for _ in range(2):
            numbers: list[int] = []
            query_: Json = {"limit": 2}
            while True:
                batch = self.events(self.alice, **query_).json
                numbers += [event["content"]["n"] for event in batch["events"]]
                if "next_batch" not in batch:
                    break
                query_["from"] = batch["next_batch"]
            self.assertEqual(numbers, list(range(5)))

    def test_as_an_earlier_draft_asks_for_them(self) -> None:
        self.put()
        send(self.bob, "t", {"@alice:test": {"DRY": {"n": 1}}})
        first = self.alice.post(f"{DEVICE}/DRY/events")
        second = self.alice.post(f"{DEVICE}/DRY/events", {"next_batch": first["next_batch"]})
        self.assertEqual((len(first["events"]), second["events"]), (1, []))

    def test_messages_of_other_devices(self) -> None:
        self.put()
        self.assertEqual(self.events(self.alice, self.alice.device_id).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.events(self.bob).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.events(self.alice, **{"from": "x"}).error, (400, "M_INVALID_PARAM"))

    def test_the_ways_in_which_it_ends(self) -> None:
        for end in (
            lambda: self.alice.delete(DEVICE),
            lambda: self.alice.post("/logout/all"),
        ):
            self.assertEqual(self.put().status, 200)
            publish(self.alice)
            self.assertEqual(end().status, 200)
            self.assertNotIn("DRY", self.devices())
            self.alice = self.log_in(self.alice, "NEW")
            self.assertEqual(self.alice.get(DEVICE).error, (404, "M_NOT_FOUND"))

    def test_bad_requests(self) -> None:
        for change, expected in (
            ({"device_data": {}}, (400, "M_BAD_JSON")),
            ({"device_keys": {}}, (400, "M_BAD_JSON")),
            ({"device_keys": DeviceKeys("@alice:test", "OTHER").device_keys()}, (400, "M_INVALID_PARAM")),
            ({"one_time_keys": {"x": "y"}}, (400, "M_INVALID_PARAM")),
            ({"initial_device_display_name": "x" * 200}, (400, "M_INVALID_PARAM")),
        ):
            self.assertEqual(self.put(**change).error, expected, change)
        self.assertEqual(self.put(self.alice.device_id).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.alice.get(DEVICE).error, (404, "M_NOT_FOUND"))
