"""Rooms of other servers that are too much for this one."""

from federation.joining.tests.neighbours import NeighboursTestCase


class ComplexityTests(NeighboursTestCase):
    settings = (
        *NeighboursTestCase.settings,
        "limit_remote_rooms.enabled=true",
        "limit_remote_rooms.complexity=0.04",
        "limit_remote_rooms.complexity_error=Too much for us",
        "limit_remote_rooms.admins_can_join=true",
    )

    def asked(self, what: str) -> int:
        return len([one for one in self.network.requests if what in one.url])

    def large_room(self) -> str:
        room_id = self.room()
        for number in range(20):
            self.alice.set_state(room_id, "org.example.setting", {"is": "on"}, str(number))
        return room_id

    def test_small_rooms(self) -> None:
        self.assertEqual(self.join(self.room()).status, 200)
        self.assertEqual(self.asked("/complexity"), 1)

    def test_large_rooms(self) -> None:
        answer = self.join(self.large_room())
        self.assertEqual(answer.error, (400, "M_RESOURCE_LIMIT_EXCEEDED"))
        self.assertEqual(answer.json["error"], "Too much for us")
        self.assertEqual(self.asked("/make_join/"), 0)

    def test_large_rooms_and_administrators(self) -> None:
        root = self.register_admin("root")
        self.assertEqual(self.join(self.large_room(), root).status, 200)

    def test_rooms_of_which_nobody_says_how_large_they_are(self) -> None:
        room_id = self.large_room()
        self.alice.invite(room_id, self.bob)
        self.settle()
        self.alice.set_state(room_id, "m.room.join_rules", {"join_rule": "invite"})
        self.assertEqual(self.join(room_id).status, 200)


class UnlimitedTests(NeighboursTestCase):
    def test_nobody_is_asked(self) -> None:
        self.join(self.room())
        self.assertEqual([one for one in self.network.requests if "/complexity" in one.url], [])
