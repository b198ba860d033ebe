"""What other servers are told of the size of a room."""

from federation.incoming.tests.neighbour import NeighbourTestCase
from tests.client import Answer


class ComplexityTests(NeighbourTestCase):
    def ask(self, room_id: str) -> Answer:
        return self.remote.get(f"/_matrix/federation/unstable/rooms/{room_id}/complexity")

    def test_it_grows_with_the_state(self) -> None:
        before = self.ask(self.room_id)["v1"]
        self.assertEqual(before, round(len(self.alice.get(f"/rooms/{self.room_id}/state").json) / 500, 2))
        for number in range(10):
            self.alice.set_state(self.room_id, "org.example.setting", {"is": "on"}, str(number))
        self.assertEqual(self.ask(self.room_id)["v1"], round(before + 0.02, 2))
        # What only replaces something makes no difference, neither do messages.
        self.alice.set_state(self.room_id, "org.example.setting", {"is": "off"}, "1")
        self.alice.send(self.room_id, "hello")
        self.assertEqual(self.ask(self.room_id)["v1"], round(before + 0.02, 2))

    def test_rooms_that_are_closed(self) -> None:
        closed = self.alice.create_room()
        self.assertEqual(self.ask(closed).error, (404, "M_NOT_FOUND"))
        readable = {"history_visibility": "world_readable"}
        self.alice.set_state(closed, "m.room.history_visibility", readable)
        self.assertGreater(self.ask(closed)["v1"], 0)

    def test_rooms_that_are_not_known(self) -> None:
        self.assertEqual(self.ask("!unknown:remote.example").error, (404, "M_NOT_FOUND"))
