"""What other servers are told of spaces."""

from federation.incoming.tests.neighbour import NeighbourTestCase
from tests.client import Answer, Json

PATH = "/_matrix/federation/v1/hierarchy"


class SpaceTests(NeighbourTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.space = self.alice.create_room(
            preset="public_chat", name="Space", creation_content={"type": "m.space"}
        )

    def add(self, room_id: str, **content: Json) -> None:
        content = {"via": ["test"], **content}
        self.assertEqual(self.alice.set_state(self.space, "m.space.child", content, room_id).status, 200)

    def ask(self, room_id: str = "", **query: Json) -> Answer:
        return self.remote.get(f"{PATH}/{room_id or self.space}", **query)

    def children(self, **query: Json) -> list[str]:
        return [child["room_id"] for child in self.ask(**query)["children"]]

    def closed(self) -> list[str]:
        return list(self.ask()["inaccessible_children"])

    def restricted_to(self, room_id: str) -> str:
        allow = [{"type": "m.room_membership", "room_id": room_id}]
        rules = {"type": "m.room.join_rules", "content": {"join_rule": "restricted", "allow": allow}}
        return self.alice.create_room(initial_state=[rules])

    def test_a_space(self) -> None:
        private = self.alice.create_room()
        for room_id in (self.room_id, private, "!unknown:elsewhere.example"):
            self.add(room_id)
        answer = self.ask()
        room = answer["room"]
        self.assertEqual((room["name"], room["room_type"], room["join_rule"]), ("Space", "m.space", "public"))
        told = {event["state_key"] for event in room["children_state"]}
        self.assertEqual(told, {self.room_id, private, "!unknown:elsewhere.example"})
        self.assertIn("origin_server_ts", room["children_state"][0])
        self.assertEqual(self.children(), [self.room_id])
        self.assertEqual(self.closed(), [private])

    def test_suggested_rooms(self) -> None:
        other = self.alice.create_room(preset="public_chat")
        self.add(self.room_id, suggested=True)
        self.add(other)
        self.assertEqual(self.children(suggested_only="true"), [self.room_id])
        self.assertEqual(set(self.children()), {self.room_id, other})

    def test_spaces_below(self) -> None:
        below = self.alice.create_room(preset="public_chat", creation_content={"type": "m.space"})
        self.add(below)
        self.alice.set_state(below, "m.space.child", {"via": ["test"]}, self.room_id)
        (child,) = self.ask()["children"]
        self.assertEqual([one["state_key"] for one in child["children_state"]], [self.room_id])

    def test_rooms_for_members_of_others(self) -> None:
        restricted = self.restricted_to(self.room_id)
        self.add(restricted)
        self.assertEqual((self.children(), self.closed()), ([], [restricted]))
        self.join()
        self.assertEqual((self.children(), self.closed()), ([restricted], []))

    def test_rooms_that_the_server_is_in(self) -> None:
        self.join()
        self.alice.set_state(self.room_id, "m.room.join_rules", {"join_rule": "invite"})
        self.add(self.room_id)
        self.assertEqual(self.children(), [self.room_id])

    def test_rooms_that_everybody_may_look_into(self) -> None:
        content = {"history_visibility": "world_readable"}
        self.alice.set_state(self.room_id, "m.room.join_rules", {"join_rule": "invite"})
        self.alice.set_state(self.room_id, "m.room.history_visibility", content)
        self.add(self.room_id)
        self.assertEqual(self.children(), [self.room_id])

    def test_rooms_that_all_have_left(self) -> None:
        self.add(self.room_id)
        self.alice.leave(self.room_id)
        self.assertEqual((self.children(), self.closed()), ([], []))

    def test_closed_and_unknown_spaces(self) -> None:
        self.assertEqual(self.ask("!unknown:test").error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.ask(self.alice.create_room()).error, (404, "M_NOT_FOUND"))
        self.alice.set_state(self.space, "m.room.server_acl", {"allow": ["test"]})
        self.assertEqual(self.ask().error, (404, "M_NOT_FOUND"))

    def test_as_older_servers_ask(self) -> None:
        path = f"/_matrix/federation/unstable/org.matrix.msc2946/hierarchy/{self.space}"
        self.assertEqual(self.remote.get(path)["room"]["room_id"], self.space)
