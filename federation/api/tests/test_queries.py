from tests.client import Answer
from tests.wire import WireTestCase

V1 = "/_matrix/federation/v1"


class VersionTests(WireTestCase):
    def test_name_and_version(self) -> None:
        self.assertEqual(self.anonymous.get(f"{V1}/version")["server"]["name"], "Folkmoot")


class QueryTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.register("alice")
        self.remote = self.other_server()

    def profile(self, user_id: str, **query: str) -> Answer:
        return self.remote.get(f"{V1}/query/profile", user_id=user_id, **query)

    def alias(self, alias: str) -> Answer:
        return self.remote.get(f"{V1}/query/directory", room_alias=alias)


class ProfileTests(QueryTestCase):
    def test_a_profile(self) -> None:
        self.assertEqual(self.profile(self.alice.user_id).json, {"displayname": "alice"})
        self.assertEqual(self.profile(self.alice.user_id, field="displayname").json, {"displayname": "alice"})
        self.assertEqual(self.profile(self.alice.user_id, field="avatar_url").json, {})

    def test_who_is_not_here(self) -> None:
        self.assertEqual(self.profile("@nobody:test").error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.profile("@alice:other.example").error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.profile("alice").error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.remote.get(f"{V1}/query/profile").error, (400, "M_MISSING_PARAM"))


class HiddenProfileTests(QueryTestCase):
    settings = ("allow_profile_lookup_over_federation=false",)

    def test_nobody_is_shown(self) -> None:
        for user_id in (self.alice.user_id, "@nobody:test"):
            self.assertEqual(self.profile(user_id).error, (403, "M_FORBIDDEN"))


class AliasTests(QueryTestCase):
    def test_an_alias(self) -> None:
        room_id = self.alice.create_room(room_alias_name="here")
        self.assertEqual(self.alias("#here:test").json, {"room_id": room_id, "servers": ["test"]})

    def test_what_is_not_here(self) -> None:
        self.assertEqual(self.alias("#nowhere:test").error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.alias("#here:other.example").error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.alias("here").error, (400, "M_INVALID_PARAM"))


class PublicRoomTests(QueryTestCase):
    settings = ("allow_public_rooms_over_federation=true", "room_list_publication_rules=[{action: allow}]")

    def setUp(self) -> None:
        super().setUp()
        self.rooms = [
            self.alice.create_room(preset="public_chat", visibility="public", name=name)
            for name in ("Cats", "Dogs")
        ]

    def test_the_list(self) -> None:
        page = self.remote.get(f"{V1}/publicRooms").json
        self.assertEqual({room["room_id"] for room in page["chunk"]}, set(self.rooms))
        self.assertEqual(page["total_room_count_estimate"], 2)

    def test_pages(self) -> None:
        first = self.remote.get(f"{V1}/publicRooms", limit=1).json
        second = self.remote.get(f"{V1}/publicRooms", limit=1, since=first["next_batch"]).json
        found = [room["room_id"] for page in (first, second) for room in page["chunk"]]
        self.assertEqual(sorted(found), sorted(self.rooms))

    def test_a_search(self) -> None:
        body = {"filter": {"generic_search_term": "cat"}}
        (room,) = self.remote.post(f"{V1}/publicRooms", body)["chunk"]
        self.assertEqual((room["room_id"], room["name"]), (self.rooms[0], "Cats"))
        self.assertEqual(
            self.remote.post(f"{V1}/publicRooms", {"third_party_instance_id": "irc"})["chunk"], []
        )


class HiddenRoomTests(QueryTestCase):
    def test_nothing_is_shown(self) -> None:
        self.assertEqual(self.remote.get(f"{V1}/publicRooms").error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.remote.post(f"{V1}/publicRooms", {}).error, (403, "M_FORBIDDEN"))
