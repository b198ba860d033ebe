from homeserver.protocol.json import JsonObject
from tests.wire import WireTestCase, each

_UNSTABLE = "/_matrix/client/unstable/org.matrix.msc3391"


class DeletionTests(WireTestCase):
    """Deleting account data (MSC3391)."""

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room()
        of_alice = f"/user/{self.alice.user_id}"
        self.paths = (
            f"{of_alice}/account_data/org.example",
            f"{of_alice}/rooms/{self.room_id}/account_data/org.example",
        )

    def told(self, since: str | None = None) -> list[JsonObject]:
        """What /sync tells of the type, for the account and for the room."""
        answer = self.alice.sync(since)
        room = answer.room(self.room_id) or {"account_data": {"events": []}}
        events = [*answer.json.get("account_data", {}).get("events", ()), *room["account_data"]["events"]]
        return [event["content"] for event in events if event["type"] == "org.example"]

    def test_what_was_deleted_is_gone_and_clients_are_told(self) -> None:
        for path in self.paths:
            self.alice.put(path, {"a": 1})
        since = self.alice.sync().next_batch
        for path in self.paths:
            self.assertEqual(self.alice.delete(_UNSTABLE + path).status, 200)
            self.assertEqual(self.alice.get(path).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.told(since), [{}, {}])
        self.assertEqual(self.told(), [])

    def test_it_can_be_put_again(self) -> None:
        for path in self.paths:
            self.alice.delete(_UNSTABLE + path)
            self.alice.put(path, {"b": 2})
            self.assertEqual(self.alice.get(path).json, {"b": 2})
        self.assertEqual(self.told(), [{"b": 2}, {"b": 2}])

    def test_deleting_what_is_not_there_is_fine(self) -> None:
        each(lambda path: self.assertEqual(self.alice.delete(_UNSTABLE + path).json, {}), self.paths)

    def test_tags_begin_anew(self) -> None:
        tags = f"/user/{self.alice.user_id}/rooms/{self.room_id}/tags"
        self.alice.put(f"{tags}/u.work", {})
        self.alice.delete(f"{_UNSTABLE}/user/{self.alice.user_id}/rooms/{self.room_id}/account_data/m.tag")
        self.assertEqual(self.alice.get(tags)["tags"], {})
        self.alice.put(f"{tags}/u.home", {})
        self.assertEqual(self.alice.get(tags)["tags"], {"u.home": {}})

    def test_of_others_and_of_the_server_it_is_refused(self) -> None:
        for path in self.paths:
            self.assertEqual(self.bob.delete(_UNSTABLE + path).error, (403, "M_FORBIDDEN"))
            for type_ in ("m.fully_read", "m.push_rules"):
                own = _UNSTABLE + path.replace("org.example", type_)
                self.assertEqual(self.alice.delete(own).error, (405, "M_BAD_JSON"))

    def test_the_flag_is_told(self) -> None:
        self.assertTrue(
            self.anonymous.get("/_matrix/client/versions")["unstable_features"]["org.matrix.msc3391"]
        )
