"""Keys of users of another server, with both servers whole."""

from typing import Any

from federation.joining.tests.neighbours import HOME, NeighboursTestCase
from homeserver.e2ee.tests.keys import CrossSigningKeys, claim, publish, query
from tests.client import Json
from tests.wire import WireClient

V1 = "/_matrix/federation/v1/user"


class KeysTestCase(NeighboursTestCase):
    """Alice, elsewhere, has keys and a room."""

    def setUp(self) -> None:
        super().setUp()
        self.keys = publish(self.alice, "1", "2")
        self.cross_signing = CrossSigningKeys(self.alice.user_id)
        answer = self.alice.post("/keys/device_signing/upload", self.cross_signing.body())
        self.assertEqual(answer.status, 200)
        self.room_id = self.room()
        self.before = len(self.network.requests)

    def asked(self) -> list[str]:
        """What was asked of other servers about users since."""
        new, self.before = self.network.requests[self.before :], len(self.network.requests)
        urls = [one.url.partition(V1)[2] for one in new if V1 in one.url]
        return [url.partition("/@")[0].partition("/%40")[0] for url in urls]

    def devices(self, user: WireClient) -> Json:
        return query(self.bob, user)["device_keys"].get(user.user_id)


class QueryTests(KeysTestCase):
    def test_of_a_stranger(self) -> None:
        """They are asked for each time, as nobody tells of changes."""
        for _ in range(2):
            found = query(self.bob, self.alice)
            device = found["device_keys"][self.alice.user_id][self.alice.device_id]
            self.assertEqual(device["keys"], self.keys.device_keys()["keys"])
            self.assertNotIn("unsigned", device)
            self.assertEqual(found["failures"], {})
            self.assertEqual(self.asked(), ["/keys/query"])
        master = found["master_keys"][self.alice.user_id]
        self.assertEqual(list(master["keys"].values()), [self.cross_signing.public("master")])
        self.assertIn(self.alice.user_id, found["self_signing_keys"])
        self.assertEqual(found["user_signing_keys"], {})

    def test_of_who_is_in_a_room(self) -> None:
        """They are kept."""
        self.join(self.room_id)
        for asked in (["/devices"], []):
            found = query(self.bob, self.alice)
            self.assertEqual(list(found["device_keys"][self.alice.user_id]), [self.alice.device_id])
            self.assertIn(self.alice.user_id, found["master_keys"])
            self.assertEqual(self.asked(), asked)
        body = {"device_keys": {self.alice.user_id: ["OTHER"]}}
        self.assertEqual(self.bob.post("/keys/query", body)["device_keys"], {self.alice.user_id: {}})

    def test_of_many_in_a_room(self) -> None:
        """One request has to do."""
        users = [self.home.register(f"user{number}") for number in range(11)]
        for user in users:
            user.join(self.room_id)
            publish(user)
        self.join(self.room_id)
        # Most members are fetched after the join.
        self.settle()
        for asked in (["/keys/query"], []):
            found = query(self.bob, *users)["device_keys"]
            self.assertEqual({len(found[user.user_id]) for user in users}, {1})
            self.assertEqual(self.asked(), asked)

    def test_when_nothing_is_shared_any_more(self) -> None:
        for leaving in (self.alice, self.bob):
            self.join(self.room_id)
            self.devices(self.alice)
            self.assertEqual(self.count("federation_device_list"), 1)
            leaving.post(f"/rooms/{self.room_id}/leave")
            self.settle()
            self.assertEqual(self.count("federation_device_list"), 0)
            self.room_id = self.room()

    def test_of_nobody(self) -> None:
        self.assertEqual(
            self.bob.post("/keys/query", {"device_keys": {f"@nobody:{HOME}": []}})["device_keys"],
            {f"@nobody:{HOME}": {}},
        )

    def test_of_who_is_down(self) -> None:
        body: Json = {"device_keys": {"@x:down.example": [], self.alice.user_id: [], self.bob.user_id: []}}
        answer = self.bob.post("/keys/query", body)
        self.assertEqual(list(answer["failures"]), ["down.example"])
        self.assertEqual(set(answer["device_keys"]), {self.alice.user_id, self.bob.user_id})


class ClaimTests(KeysTestCase):
    def test_each_key_once(self) -> None:
        found = [claim(self.bob, self.alice)[self.alice.user_id][self.alice.device_id] for _ in range(2)]
        self.assertEqual(
            {name for keys in found for name in keys}, {"signed_curve25519:1", "signed_curve25519:2"}
        )
        self.assertEqual(claim(self.bob, self.alice).get(self.alice.user_id, {}), {})

    def test_of_who_is_down(self) -> None:
        wish = {"@x:down.example": {"D": "signed_curve25519"}}
        answer = self.bob.post("/keys/claim", {"one_time_keys": wish})
        self.assertEqual((answer["one_time_keys"], list(answer["failures"])), ({}, ["down.example"]))


class ServingTests(KeysTestCase):
    """What another server may ask of this one."""

    def setUp(self) -> None:
        super().setUp()
        self.remote = self.other_server()
        self.own = publish(self.bob, "1")

    def listed(self) -> Any:
        return self.remote.get(f"{V1}/devices/{self.bob.user_id}")

    def test_devices(self) -> None:
        answer = self.listed()
        self.assertEqual(answer["user_id"], self.bob.user_id)
        (device,) = answer["devices"]
        self.assertEqual(device, {"device_id": self.bob.device_id, "keys": self.own.device_keys()})
        self.assertNotIn("master_key", answer.json)

    def test_keys(self) -> None:
        answer = self.remote.post(f"{V1}/keys/query", {"device_keys": {self.bob.user_id: []}})
        device = answer["device_keys"][self.bob.user_id][self.bob.device_id]
        self.assertEqual(device, self.own.device_keys())
        wish = {"one_time_keys": {self.bob.user_id: {self.bob.device_id: "signed_curve25519"}}}
        answer = self.remote.post(f"{V1}/keys/claim", wish)
        self.assertEqual(list(answer["one_time_keys"]), [self.bob.user_id])
        self.assertEqual(self.remote.post(f"{V1}/keys/claim", wish)["one_time_keys"], {})

    def test_users_elsewhere(self) -> None:
        alice = self.alice.user_id
        refused = (400, "M_INVALID_PARAM")
        self.assertEqual(self.remote.get(f"{V1}/devices/{alice}").error, refused)
        self.assertEqual(self.remote.get(f"{V1}/devices/odd").error, refused)
        self.assertEqual(self.remote.post(f"{V1}/keys/query", {"device_keys": {alice: []}}).error, refused)
        wish = {"one_time_keys": {alice: {"D": "signed_curve25519"}}}
        self.assertEqual(self.remote.post(f"{V1}/keys/claim", wish).error, refused)

    def test_cross_signing_keys(self) -> None:
        self.bob.post("/keys/device_signing/upload", CrossSigningKeys(self.bob.user_id).body())
        answer = self.listed()
        self.assertIn("master_key", answer.json)
        self.assertIn("self_signing_key", answer.json)
        self.assertNotIn("user_signing_key", answer.json)


class ShownNameTests(ServingTests):
    settings = (*ServingTests.settings, "allow_device_name_lookup_over_federation=true")

    def test_devices(self) -> None:
        self.bob.put(f"/devices/{self.bob.device_id}", {"display_name": "phone"})
        (device,) = self.listed()["devices"]
        self.assertEqual(device["device_display_name"], "phone")
        self.assertEqual(device["keys"], self.own.device_keys())

    def test_keys(self) -> None:
        self.bob.put(f"/devices/{self.bob.device_id}", {"display_name": "phone"})
        answer = self.remote.post(f"{V1}/keys/query", {"device_keys": {self.bob.user_id: []}})
        device = answer["device_keys"][self.bob.user_id][self.bob.device_id]
        self.assertEqual(device["unsigned"], {"device_display_name": "phone"})
