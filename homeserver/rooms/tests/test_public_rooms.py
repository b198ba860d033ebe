from typing import Any, ClassVar

from tests.wire import WireTestCase, each


class PublicRoomsTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")

    def public_room(self, **wish: Any) -> str:
        return self.alice.create_room(preset="public_chat", visibility="public", **wish)

    def listed(self, **query: Any) -> list[str]:
        return [room["room_id"] for room in self.alice.get("/publicRooms", **query)["chunk"]]

    def found(self, **filter_: Any) -> list[str]:
        chunk = self.alice.post("/publicRooms", {"filter": filter_})["chunk"]
        return [room["room_id"] for room in chunk]


class ListTests(PublicRoomsTestCase):
    def test_what_is_told_of_a_room(self) -> None:
        room_id = self.public_room(name="Tea", topic="Hot drinks", room_alias_name="tea")
        self.alice.set_state(room_id, "m.room.avatar", {"url": "mxc://test/tea"})
        self.bob.join(room_id)
        answer = self.alice.get("/publicRooms")
        self.assertEqual(
            answer.json,
            {
                "chunk": [
                    {
                        "room_id": room_id,
                        "name": "Tea",
                        "topic": "Hot drinks",
                        "avatar_url": "mxc://test/tea",
                        "canonical_alias": "#tea:test",
                        "num_joined_members": 2,
                        "world_readable": False,
                        "guest_can_join": False,
                        "join_rule": "public",
                    }
                ],
                "total_room_count_estimate": 1,
            },
        )

    def test_what_changes_is_told_anew(self) -> None:
        room_id = self.public_room(name="Tea")
        self.alice.set_state(room_id, "m.room.name", {"name": "Coffee"})
        (room,) = self.alice.get("/publicRooms")["chunk"]
        self.assertEqual(room["name"], "Coffee")

    def test_what_is_redacted_is_not_told(self) -> None:
        room_id = self.public_room(topic="secret")
        event = self.alice.state(room_id, "m.room.topic", format="event")
        self.alice.redact(room_id, event["event_id"])
        (room,) = self.alice.get("/publicRooms")["chunk"]
        self.assertNotIn("topic", room)

    def test_private_rooms_are_not_shown(self) -> None:
        self.alice.create_room()
        self.alice.create_room(preset="public_chat")
        # Published, but nobody could enter.
        self.alice.create_room(preset="private_chat", visibility="public")
        self.assertEqual(self.listed(), [])

    def test_empty_rooms_are_not_shown(self) -> None:
        self.alice.leave(self.public_room())
        self.assertEqual(self.alice.get("/publicRooms").json, {"chunk": [], "total_room_count_estimate": 0})

    def test_the_total_follows_the_list(self) -> None:
        first, second = self.public_room(), self.public_room()
        path = f"/directory/list/room/{second}"

        def total() -> Any:
            return self.alice.get("/publicRooms", limit=1)["total_room_count_estimate"]

        self.assertEqual(total(), 2)
        for visibility, expected in (("public", 2), ("private", 1), ("private", 1), ("public", 2)):
            self.alice.put(path, {"visibility": visibility})
            self.assertEqual(total(), expected)
        self.bob.join(first)
        self.assertEqual(total(), 2)
        for user, expected in ((self.alice, 2), (self.bob, 1)):
            user.leave(first)
            self.assertEqual(total(), expected)
        # Taken off the list and put back when nobody is there.
        self.alice.leave(second)
        self.alice.put(path, {"visibility": "private"})
        self.assertEqual(total(), 0)

    def test_largest_first(self) -> None:
        small, large, middle = (self.public_room() for _ in range(3))
        carol = self.register("carol")
        for room_id, users in ((large, (self.bob, carol)), (middle, (self.bob,))):
            for user in users:
                user.join(room_id)
        self.assertEqual(self.listed(), [large, middle, small])
        self.bob.leave(large)
        carol.leave(large)
        self.assertEqual(self.listed(), [middle, large, small])

    def test_who_may_look(self) -> None:
        self.assertEqual(self.anonymous.get("/publicRooms").error, (401, "M_MISSING_TOKEN"))

    def test_the_name_of_a_server(self) -> None:
        self.assertEqual(self.alice.get("/publicRooms", server="test")["chunk"], [])
        self.assertEqual(self.alice.get("/publicRooms", server="!").error, (400, "M_INVALID_PARAM"))


class PagingTests(PublicRoomsTestCase):
    def test_forth_and_back(self) -> None:
        rooms = [self.public_room() for _ in range(5)][::-1]
        first = self.alice.get("/publicRooms", limit=2)
        self.assertNotIn("prev_batch", first.json)
        second = self.alice.get("/publicRooms", limit=2, since=first["next_batch"])
        third = self.alice.get("/publicRooms", limit=2, since=second["next_batch"])
        self.assertNotIn("next_batch", third.json)
        pages = [[room["room_id"] for room in page["chunk"]] for page in (first, second, third)]
        self.assertEqual(pages, [rooms[:2], rooms[2:4], rooms[4:]])
        back = self.alice.get("/publicRooms", limit=2, since=third["prev_batch"])
        self.assertEqual([room["room_id"] for room in back["chunk"]], rooms[2:4])
        start = self.alice.get("/publicRooms", limit=2, since=back["prev_batch"])
        self.assertEqual([room["room_id"] for room in start["chunk"]], rooms[:2])
        self.assertNotIn("prev_batch", start.json)
        self.assertEqual(start["next_batch"], first["next_batch"])
        self.assertEqual(start["total_room_count_estimate"], 5)

    def test_what_is_no_token(self) -> None:
        def check(since: str) -> None:
            self.assertEqual(self.alice.get("/publicRooms", since=since).error, (400, "M_INVALID_PARAM"))

        each(check, ["x", "n1", "n1_", "q1_2", "n" + "9" * 30 + "_1"])

    def test_pages_of_any_size(self) -> None:
        rooms = [self.public_room() for _ in range(2)]
        self.assertEqual(len(self.listed(limit=-5)), 1)
        self.assertEqual(len(self.listed(limit=10**6)), len(rooms))


class SearchTests(PublicRoomsTestCase):
    def test_words(self) -> None:
        tea = self.public_room(name="TEA time", topic="100% Straßenmusik")
        self.public_room(name="Coffee")
        for words in ("tea", "Tea T", "STRASSE", "100%"):
            self.assertEqual((words, self.found(generic_search_term=words)), (words, [tea]))
        for words in ("%", "_", "!", "tea_", "milk"):
            expected = [tea] if words == "%" else []
            self.assertEqual((words, self.found(generic_search_term=words)), (words, expected))

    def test_types(self) -> None:
        plain = self.public_room()
        space = self.public_room(creation_content={"type": "m.space"})
        self.assertEqual(self.found(room_types=["m.space"]), [space])
        self.assertEqual(self.found(room_types=[None]), [plain])
        self.assertEqual(self.found(room_types=[None, "m.space"]), [space, plain])
        self.assertEqual(self.found(room_types=[]), [])
        self.assertEqual(self.found(room_types=None), [space, plain])

    def test_networks_that_are_not_bridged(self) -> None:
        self.public_room()
        self.assertEqual(self.alice.post("/publicRooms", {"third_party_instance_id": "irc"})["chunk"], [])


class PublicationTests(PublicRoomsTestCase):
    def path(self, room_id: str) -> str:
        return f"/directory/list/room/{room_id}"

    def test_on_and_off(self) -> None:
        room_id = self.alice.create_room(preset="public_chat")
        self.assertEqual(self.anonymous.get(self.path(room_id)).json, {"visibility": "private"})
        self.assertEqual(self.alice.put(self.path(room_id), {}).json, {})
        self.assertEqual(self.anonymous.get(self.path(room_id)).json, {"visibility": "public"})
        self.assertEqual(self.listed(), [room_id])
        self.alice.put(self.path(room_id), {"visibility": "private"})
        self.assertEqual(self.listed(), [])

    def test_who_may(self) -> None:
        room_id = self.bob.create_room(preset="public_chat")
        carol = self.register("carol")
        carol.join(room_id)
        for client in (carol, self.register("dave")):
            self.assertEqual(client.put(self.path(room_id), {}).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.register_admin("admin").put(self.path(room_id), {}).status, 200)

    def test_unknown_rooms(self) -> None:
        self.assertEqual(self.alice.get(self.path("!none:test")).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.alice.put(self.path("!none:test"), {}).error, (404, "M_NOT_FOUND"))


class PublicationRuleTests(PublicRoomsTestCase):
    settings: ClassVar = ["room_list_publication_rules=[{alias: '#open*', action: allow}]"]

    def test_rules_may_ask_for_an_alias(self) -> None:
        room_id = self.alice.create_room(preset="public_chat")
        path = f"/directory/list/room/{room_id}"
        self.assertEqual(self.alice.put(path, {}).error, (403, "M_FORBIDDEN"))
        self.alice.put("/directory/room/%23open:test", {"room_id": room_id})
        self.assertEqual(self.alice.put(path, {}).status, 200)

    def test_new_rooms(self) -> None:
        wish = {"preset": "public_chat", "visibility": "public"}
        self.assertEqual(self.alice.post("/createRoom", wish).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.alice.post("/createRoom", {**wish, "room_alias_name": "open1"}).status, 200)


class OpenListTests(PublicRoomsTestCase):
    settings: ClassVar = ["allow_public_rooms_without_auth=true"]

    def test_strangers_may_look(self) -> None:
        room_id = self.public_room()
        (room,) = self.anonymous.get("/publicRooms")["chunk"]
        self.assertEqual(room["room_id"], room_id)


class ClosedListTests(PublicRoomsTestCase):
    settings: ClassVar = ["enable_room_list_search=false"]

    def test_nothing_is_shown(self) -> None:
        self.public_room()
        self.assertEqual(self.listed(), [])
