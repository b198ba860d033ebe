from itertools import pairwise
from typing import Any

from tests.client import Answer
from tests.wire import WireClient, WireTestCase, each


class HierarchyTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")

    def space(self, **wish: Any) -> str:
        return self.alice.create_room(preset="public_chat", creation_content={"type": "m.space"}, **wish)

    def room(self, **wish: Any) -> str:
        return self.alice.create_room(preset="public_chat", **wish)

    def put(self, child: str, into: str, **content: Any) -> None:
        answer = self.alice.set_state(into, "m.space.child", {"via": ["test"], **content}, child)
        self.assertEqual(answer.status, 200)

    def hierarchy(self, client: WireClient, space: str, **query: Any) -> Answer:
        asked = client.start("GET", f"/_matrix/client/v1/rooms/{space}/hierarchy", query=query)
        if asked.answer is None:
            # Other servers are asked of the rooms that are not here, and nobody answers.
            self.advance(6)
        assert asked.answer is not None
        return asked.answer

    def rooms(self, space: str, **query: Any) -> list[str]:
        return [room["room_id"] for room in self.hierarchy(self.bob, space, **query)["rooms"]]


class HierarchyTests(HierarchyTestCase):
    def test_what_is_told(self) -> None:
        space, room = self.space(name="Drinks"), self.room(name="Tea", topic="Hot")
        self.put(room, space, suggested=True)
        self.bob.join(room)
        answer = self.hierarchy(self.bob, space)
        self.assertNotIn("next_batch", answer.json)
        first, second = answer["rooms"]
        (child,) = first.pop("children_state")
        self.assertEqual(child.pop("origin_server_ts"), 1_700_000_000_000)
        self.assertEqual(
            child,
            {
                "type": "m.space.child",
                "state_key": room,
                "sender": self.alice.user_id,
                "content": {"via": ["test"], "suggested": True},
            },
        )
        self.assertEqual(
            first,
            {
                "room_id": space,
                "name": "Drinks",
                "room_type": "m.space",
                "room_version": "12",
                "num_joined_members": 1,
                "world_readable": False,
                "guest_can_join": False,
                "join_rule": "public",
            },
        )
        self.assertEqual((second["topic"], second["num_joined_members"]), ("Hot", 2))
        self.assertEqual(second["children_state"], [])

    def test_depth_first_in_the_order_of_clients(self) -> None:
        root, left, right = self.space(), self.space(), self.space()
        leaves = [self.room() for _ in range(4)]
        self.put(right, root, order="b")
        self.put(left, root, order="a")
        self.put(leaves[0], root, order="\u00e9")
        self.advance(1)
        self.put(leaves[3], root)
        self.put(leaves[1], left)
        self.put(leaves[2], right)
        self.put(leaves[1], right, order="z")
        expected = [root, left, leaves[1], right, leaves[2], leaves[0], leaves[3]]
        self.assertEqual(self.rooms(root), expected)

    def test_circles(self) -> None:
        root, below = self.space(), self.space()
        self.put(below, root)
        self.put(root, below)
        self.put(root, root)
        self.assertEqual(self.rooms(root), [root, below])

    def test_depth(self) -> None:
        spaces = [self.space() for _ in range(4)]
        for outer, inner in pairwise(spaces):
            self.put(inner, outer)
        for depth in range(5):
            self.assertEqual(self.rooms(spaces[0], max_depth=depth), spaces[: depth + 1])

    def test_children_that_are_none(self) -> None:
        space, room, gone, redacted = self.space(), self.room(), self.room(), self.room()
        for child in (room, gone, redacted):
            self.put(child, space)
        self.alice.set_state(space, "m.space.child", {}, gone)
        event = self.alice.state(space, "m.space.child", redacted, format="event")
        self.alice.redact(space, event["event_id"])
        self.alice.set_state(space, "m.space.child", {"via": ["test"]}, "nonsense")
        self.alice.set_state(space, "m.space.child", {"via": []}, self.room())
        self.put("!elsewhere:other.org", space)
        self.assertEqual(self.rooms(space), [space, room])

    def test_rooms_that_are_no_spaces_have_no_children(self) -> None:
        space, room = self.space(), self.room()
        self.put(room, space)
        self.put(self.room(), room)
        self.assertEqual(self.rooms(space), [space, room])

    def test_suggested_only(self) -> None:
        space, one, other = self.space(), self.room(), self.room()
        self.put(one, space, suggested=True)
        self.put(other, space, suggested="yes")
        self.assertEqual(self.rooms(space, suggested_only=True), [space, one])
        (root, _) = self.hierarchy(self.bob, space, suggested_only=True)["rooms"]
        self.assertEqual([child["state_key"] for child in root["children_state"]], [one])

    def test_pages(self) -> None:
        space = self.space()
        children = [self.room() for _ in range(6)]
        for number, child in enumerate(children):
            self.put(child, space, order=str(number))
        self.alice.set_state(children[1], "m.room.join_rules", {"join_rule": "invite"})
        found, token = [], None
        for expected in (3, 3):
            page = self.hierarchy(self.bob, space, limit=3, **({"from": token} if token else {}))
            found += [room["room_id"] for room in page["rooms"]]
            token = page.json.get("next_batch")
            self.assertEqual(len(page["rooms"]), expected)
        self.assertEqual(found, [space, children[0], *children[2:]])
        self.assertIsNone(token)

    def test_tokens(self) -> None:
        space = self.space()
        self.put(self.room(), space)
        token = self.hierarchy(self.bob, space, limit=1)["next_batch"]

        def check(query: dict[str, Any]) -> None:
            answer = self.hierarchy(self.bob, space, **query)
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

        each(
            check,
            [
                {"from": "x"},
                {"from": token, "max_depth": 1},
                {"from": token, "suggested_only": True},
                {"limit": 0},
                {"max_depth": -1},
            ],
        )


class MemoryTests(HierarchyTestCase):
    """What is known of spaces that were walked through before."""

    def setUp(self) -> None:
        super().setUp()
        self.root, self.inner = self.space(), self.space()
        self.put(self.inner, self.root)
        self.assertEqual(self.rooms(self.root), [self.root, self.inner])

    def test_a_child_gets_children(self) -> None:
        room = self.room()
        self.put(room, self.inner)
        self.assertEqual(self.rooms(self.root), [self.root, self.inner, room])

    def test_a_child_is_moved(self) -> None:
        room = self.room()
        self.put(room, self.root, order="a")
        self.assertEqual(self.rooms(self.root), [self.root, room, self.inner])
        self.put(self.inner, self.root, order="A")
        self.assertEqual(self.rooms(self.root), [self.root, self.inner, room])

    def test_a_child_is_taken_out(self) -> None:
        self.alice.set_state(self.root, "m.space.child", {}, self.inner)
        self.assertEqual(self.rooms(self.root), [self.root])

    def test_a_child_is_redacted(self) -> None:
        event = self.alice.state(self.root, "m.space.child", self.inner, format="event")
        self.alice.redact(self.root, event["event_id"])
        self.assertEqual(self.rooms(self.root), [self.root])

    def test_a_child_comes_to_be_known(self) -> None:
        room_id = "!later:elsewhere.example"
        self.put(room_id, self.root)
        self.assertEqual(self.rooms(self.root), [self.root, self.inner])
        # As if somebody had entered it.
        known = self.room()
        self.write("UPDATE room SET room_id = %(to)s WHERE room_id = %(known)s", known=known, to=room_id)
        self.assertEqual(self.rooms(self.root), [self.root, self.inner, room_id])

    def write(self, statement: str, **params: str) -> None:
        async def written() -> None:
            await self.server.db.write(lambda txn: txn.execute(statement, **params))

        self.result_of(written())


class AccessTests(HierarchyTestCase):
    def visible(self, **state: Any) -> bool:
        """Whether Bob is shown a room with this state in a space."""
        content = {
            "join_rules": {"join_rule": "invite"},
            "history_visibility": {"history_visibility": "shared"},
            **state,
        }
        initial = [{"type": f"m.room.{name}", "content": value} for name, value in content.items()]
        self.child = self.alice.create_room(initial_state=initial)
        space = self.space()
        self.put(self.child, space)
        return self.rooms(space) == [space, self.child]

    def test_by_the_rules_of_the_room(self) -> None:
        club = self.alice.create_room()
        allow = [{"type": "m.room_membership", "room_id": club}]
        restricted = {"join_rule": "restricted", "allow": allow}
        self.assertFalse(self.visible())
        self.assertTrue(self.visible(join_rules={"join_rule": "public"}))
        self.assertTrue(self.visible(join_rules={"join_rule": "knock"}))
        self.assertTrue(self.visible(join_rules={"join_rule": "knock_restricted"}))
        self.assertTrue(self.visible(history_visibility={"history_visibility": "world_readable"}))
        self.assertFalse(self.visible(join_rules=restricted))
        self.alice.invite(club, self.bob)
        self.assertFalse(self.visible(join_rules=restricted))
        self.bob.join(club)
        self.assertTrue(self.visible(join_rules=restricted))
        (_, room) = self.hierarchy(self.bob, self.last_space())["rooms"]
        self.assertEqual(room["allowed_room_ids"], [club])

    def last_space(self) -> str:
        space = self.space()
        self.put(self.child, space)
        return space

    def test_by_membership(self) -> None:
        self.visible()
        space = self.last_space()
        self.alice.invite(self.child, self.bob)
        self.assertEqual(self.rooms(space), [space, self.child])
        self.bob.join(self.child)
        self.assertEqual(self.rooms(space), [space, self.child])
        self.alice.ban(self.child, self.bob)
        self.assertEqual(self.rooms(space), [space])

    def test_below_what_is_closed_nothing_is_shown(self) -> None:
        root, closed, room = self.space(), self.space(), self.room()
        self.put(closed, root)
        self.put(room, closed)
        self.alice.set_state(closed, "m.room.join_rules", {"join_rule": "invite"})
        self.assertEqual(self.rooms(root), [root])

    def test_closed_spaces(self) -> None:
        closed = self.alice.create_room(creation_content={"type": "m.space"})
        self.assertEqual(self.hierarchy(self.bob, closed).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.hierarchy(self.bob, "!none:test").error, (403, "M_FORBIDDEN"))


class SummaryTests(HierarchyTestCase):
    def summary(self, client: WireClient, room: str) -> Answer:
        return client.get(f"/_matrix/client/v1/room_summary/{room}")

    def test_by_id_and_alias(self) -> None:
        encryption = {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
        room_id = self.room(name="Tea", room_alias_name="tea", initial_state=[encryption])
        expected = {
            "room_id": room_id,
            "name": "Tea",
            "canonical_alias": "#tea:test",
            "encryption": "m.megolm.v1.aes-sha2",
            "room_version": "12",
            "num_joined_members": 1,
            "world_readable": False,
            "guest_can_join": False,
            "join_rule": "public",
        }
        self.assertEqual(self.summary(self.bob, "%23tea:test").json, expected)
        unstable = f"/_matrix/client/unstable/im.nheko.summary/rooms/{room_id}/summary"
        self.assertEqual(self.bob.get(unstable).json, expected)
        self.assertEqual(self.summary(self.anonymous, room_id).json, expected)
        self.bob.join(room_id)
        self.assertEqual(self.summary(self.bob, room_id)["membership"], "join")

    def test_closed_and_unknown_rooms(self) -> None:
        room_id = self.alice.create_room()
        for room in (room_id, "!none:test", "%23none:test"):
            for client in (self.bob, self.anonymous):
                self.assertEqual(self.summary(client, room).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.summary(self.alice, room_id)["membership"], "join")
