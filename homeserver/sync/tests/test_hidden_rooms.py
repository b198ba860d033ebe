"""exclude_rooms_from_sync"""

from tests.client import SyncAnswer
from tests.wire import WireTestCase


class HiddenRoomTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob, self.carol = (self.register(name) for name in ("alice", "bob", "carol"))
        self.loud, self.quiet = (self.alice.create_room(members=[self.bob]) for _ in range(2))
        self.patch(type(self), "settings", (f"exclude_rooms_from_sync=['{self.loud}']",))
        self.restart()

    def rooms(self, answer: SyncAnswer) -> set[str]:
        return {room_id for rooms in answer.json.get("rooms", {}).values() for room_id in rooms}

    def test_nobody_is_told_of_them(self) -> None:
        first = self.bob.sync()
        self.assertEqual(self.rooms(first), {self.quiet})
        for room_id in (self.loud, self.quiet):
            self.alice.send(room_id, "hello")
            self.alice.put(f"/rooms/{room_id}/typing/{self.alice.user_id}", {"typing": True, "timeout": 9000})
            path = f"/user/{self.bob.user_id}/rooms/{room_id}/account_data/org.example"
            self.bob.put(path, {"a": 1})
        self.assertEqual(self.rooms(self.bob.sync(first.next_batch)), {self.quiet})
        self.alice.invite(self.loud, self.carol)
        self.assertEqual(self.rooms(self.carol.sync()), set())
        self.bob.leave(self.loud)
        self.assertNotIn(self.loud, self.rooms(self.bob.sync(first.next_batch)))

    def test_beside_what_the_client_does_not_want(self) -> None:
        wish = {"room": {"not_rooms": [self.quiet]}}
        self.assertEqual(self.rooms(self.bob.sync(filter=wish)), set())
        self.assertEqual(self.rooms(self.bob.sync(filter={"room": {"rooms": [self.loud]}})), set())

    def test_they_wake_nobody(self) -> None:
        waiting = self.bob.start_sync(self.bob.sync().next_batch)
        self.alice.send(self.loud, "hello")
        self.assertIsNone(waiting.answer)
        self.alice.send(self.quiet, "hello")
        self.advance(1)
        assert waiting.answer is not None
        self.assertEqual(self.rooms(SyncAnswer(waiting.answer.json)), {self.quiet})

    def test_they_are_there_all_the_same(self) -> None:
        event_id = self.alice.send(self.loud, "hello")
        self.assertEqual(self.bob.event(self.loud, event_id).status, 200)
        old = self.bob.get("/initialSync").json
        self.assertEqual([room["room_id"] for room in old["rooms"]], [self.quiet])
