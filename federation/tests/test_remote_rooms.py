"""Rooms that another server tells of, with both servers whole."""

from typing import Any
from urllib.parse import quote

from federation.joining.tests.neighbours import HOME, NeighboursTestCase
from federation.tests.network import NetworkTestCase
from tests.client import Answer, Json


class RemoteRoomsTestCase(NeighboursTestCase):
    """Alice's rooms, and Bob, who is elsewhere."""

    def setUp(self) -> None:
        NetworkTestCase.setUp(self)
        self.home = self.another(HOME, "allow_public_rooms_over_federation=true")
        self.alice, self.bob = self.home.register("alice"), self.register("bob")

    def public(self, **wish: Any) -> str:
        return self.room(visibility="public", **wish)


class ListTests(RemoteRoomsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.cats, self.dogs = self.public(name="Cats", topic="all of them"), self.public(name="Dogs")

    def test_the_list(self) -> None:
        page = self.bob.get("/publicRooms", server=HOME)
        self.assertEqual({room["room_id"] for room in page["chunk"]}, {self.cats, self.dogs})
        self.assertEqual(page["total_room_count_estimate"], 2)
        (cats,) = [room for room in page["chunk"] if room["room_id"] == self.cats]
        self.assertEqual((cats["name"], cats["topic"], cats["join_rule"]), ("Cats", "all of them", "public"))

    def test_pages(self) -> None:
        first = self.bob.get("/publicRooms", server=HOME, limit=1)
        second = self.bob.get("/publicRooms", server=HOME, limit=1, since=first["next_batch"])
        found = {room["room_id"] for page in (first, second) for room in page["chunk"]}
        self.assertEqual(found, {self.cats, self.dogs})

    def test_a_search(self) -> None:
        body = {"filter": {"generic_search_term": "cat"}}
        answer = self.bob.request("POST", "/publicRooms", body, query={"server": HOME})
        self.assertEqual([room["name"] for room in answer["chunk"]], ["Cats"])

    def test_lies(self) -> None:
        self.network.lies["/publicRooms"] = lambda page: {
            **page,
            "chunk": [{}, *page["chunk"], *page["chunk"]],
        }
        self.assertEqual(len(self.bob.get("/publicRooms", server=HOME, limit=3)["chunk"]), 2)
        self.network.lies["/publicRooms"] = lambda _: []
        self.assertEqual(self.bob.get("/publicRooms", server=HOME).error, (502, "M_UNKNOWN"))

    def test_who_may_not(self) -> None:
        self.assertEqual(self.anonymous.get("/publicRooms", server=HOME).error, (401, "M_MISSING_TOKEN"))
        self.assertEqual(self.bob.get("/publicRooms", server="?").error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.bob.get("/publicRooms", server="down.example").error, (502, "M_UNKNOWN"))
        carol = self.home.register("carol")
        self.assertEqual(carol.get("/publicRooms", server="test").error, (403, "M_FORBIDDEN"))


class SummaryTests(RemoteRoomsTestCase):
    def summary(self, room: str, via: str | None = None) -> Answer:
        query = {} if via is None else {"via": via}
        return self.bob.get(f"/_matrix/client/v1/room_summary/{quote(room)}", **query)

    def test_a_room(self) -> None:
        room_id = self.public(name="Cats", room_alias_name="cats")
        for answer in (self.summary(room_id, HOME), self.summary(f"#cats:{HOME}")):
            self.assertEqual((answer["room_id"], answer["name"]), (room_id, "Cats"))
            self.assertEqual((answer["join_rule"], answer["num_joined_members"]), ("public", 1))
            self.assertNotIn("membership", answer.json)

    def test_one_that_is_closed(self) -> None:
        room_id = self.room(preset="private_chat")
        self.assertEqual(self.summary(room_id, HOME).error, (404, "M_NOT_FOUND"))
        self.alice.invite(room_id, self.bob)
        answer = self.summary(room_id, HOME)
        self.assertEqual((answer.status, answer["membership"]), (200, "invite"))

    def test_one_that_was_left(self) -> None:
        """What is known here of it is old."""
        room_id = self.public(name="Cats")
        self.join(room_id)
        self.bob.post(f"/rooms/{room_id}/leave")
        self.settle()
        self.alice.set_state(room_id, "m.room.name", {"name": "Dogs"})
        self.settle()
        self.assertEqual(self.summary(room_id, HOME)["name"], "Dogs")

    def test_nobody_to_ask(self) -> None:
        room_id = self.public()
        self.assertEqual(self.summary(room_id).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.summary(room_id, "down.example").error, (502, "M_UNKNOWN"))
        self.assertEqual(self.summary(room_id, "?").error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.summary(f"#nowhere:{HOME}").error, (404, "M_NOT_FOUND"))
        path = f"/_matrix/client/v1/room_summary/{quote(f'#cats:{HOME}')}"
        self.assertEqual(self.anonymous.get(path).error, (401, "M_MISSING_TOKEN"))

    def test_another_room(self) -> None:
        room_id, other = self.public(), self.public()
        self.network.lies["/hierarchy/"] = lambda told: {**told, "room": {**told["room"], "room_id": other}}
        self.assertEqual(self.summary(room_id, HOME).error, (502, "M_UNKNOWN"))


class HierarchyTests(RemoteRoomsTestCase):
    def setUp(self) -> None:
        super().setUp()
        space = {"creation_content": {"type": "m.space"}, "room_version": "11"}
        self.space = self.public(name="Space", **space)
        self.children = [self.public(name=name) for name in ("Cats", "Dogs")]
        closed = self.room(preset="private_chat")
        for room_id in (*self.children, closed):
            self.alice.set_state(self.space, "m.space.child", {"via": [HOME]}, room_id)

    def page(self, **query: Json) -> Answer:
        return self.bob.get(f"/_matrix/client/v1/rooms/{quote(self.space)}/hierarchy", **query)

    def test_a_space(self) -> None:
        page = self.page()
        self.assertEqual({room["name"] for room in page["rooms"]}, {"Space", "Cats", "Dogs"})
        root = page["rooms"][0]
        self.assertEqual((root["room_id"], root["room_type"]), (self.space, "m.space"))
        self.assertEqual(len(root["children_state"]), 3)
        self.assertNotIn("next_batch", page.json)

    def test_pages(self) -> None:
        found, end = [], None
        for _ in range(3):
            page = self.page(limit=1, **({"from": end} if end else {}))
            found += [room["name"] for room in page["rooms"]]
            end = page.json.get("next_batch")
        self.assertEqual((sorted(found), end), (["Cats", "Dogs", "Space"], None))
        self.assertEqual(self.page(**{"from": "odd"}).error, (400, "M_INVALID_PARAM"))

    def test_one_that_is_closed(self) -> None:
        self.space = self.room(preset="private_chat", room_version="11")
        self.assertEqual(self.page().error, (403, "M_FORBIDDEN"))


class LocalSpaceTests(RemoteRoomsTestCase):
    """A space that is here, and rooms in it that are not."""

    def setUp(self) -> None:
        super().setUp()
        self.space = self.bob.create_room(preset="public_chat", creation_content={"type": "m.space"})
        self.mine = self.bob.create_room(preset="public_chat", name="Mine")
        inner = {"creation_content": {"type": "m.space"}}
        self.cats, self.inner = self.public(name="Cats"), self.public(name="Inner", **inner)
        self.alice.set_state(self.inner, "m.space.child", {"via": [HOME]}, self.cats)
        self.closed = self.room(preset="private_chat")
        for order, room_id in enumerate((self.cats, self.mine, self.inner, self.closed)):
            self.put(room_id, order=str(order))

    def put(self, room_id: str, **content: Json) -> None:
        self.bob.set_state(self.space, "m.space.child", {"via": ["?", HOME], **content}, room_id)

    def page(self, **query: Json) -> Answer:
        return self.bob.get(f"/_matrix/client/v1/rooms/{quote(self.space)}/hierarchy", **query)

    def shown(self, **query: Json) -> list[str]:
        return [room["room_id"] for room in self.page(**query)["rooms"]]

    def test_they_are_told_of(self) -> None:
        self.assertEqual(self.shown(), [self.space, self.cats, self.mine, self.inner])
        inner = self.page()["rooms"][3]
        self.assertEqual((inner["name"], inner["room_type"]), ("Inner", "m.space"))
        self.assertEqual([child["state_key"] for child in inner["children_state"]], [self.cats])

    def test_pages(self) -> None:
        found, end = [], None
        for _ in range(6):
            page = self.page(limit=2, **({"from": end} if end else {}))
            found += [room["room_id"] for room in page["rooms"]]
            end = page.json.get("next_batch")
            if end is None:
                break
        self.assertEqual((found, end), ([self.space, self.cats, self.mine, self.inner], None))

    def test_they_are_not_asked_for_each_time(self) -> None:
        self.page()
        asked = len(self.network.requests)
        self.page()
        self.assertEqual(len(self.network.requests), asked)
        self.advance(301)
        self.page()
        self.assertGreater(len(self.network.requests), asked)

    def test_nobody_tells(self) -> None:
        self.network.down.add(HOME)
        self.assertEqual(self.shown(), [self.space, self.mine])

    def test_without_servers(self) -> None:
        self.alice.set_state(self.inner, "m.space.child", {}, self.cats)
        self.bob.set_state(self.space, "m.space.child", {"via": ["test", 1]}, self.cats)
        self.assertEqual(self.shown(), [self.space, self.mine, self.inner])
