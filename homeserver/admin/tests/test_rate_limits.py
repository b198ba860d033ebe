from typing import ClassVar

from tests.client import Answer
from tests.wire import WireTestCase


class UserRateLimitTests(WireTestCase):
    settings: ClassVar = (
        "rc_message={per_second: 0.001, burst_count: 2}",
        "rc_room_creation={per_second: 0.001, burst_count: 2}",
    )

    def setUp(self) -> None:
        super().setUp()
        self.admin, self.bob = self.register_admin("admin"), self.register("bob")
        self.room_id = self.bob.create_room()
        self.path = f"/_synapse/admin/v1/users/{self.bob.user_id}/override_ratelimit"

    def sent(self, wanted: int) -> int:
        """How many of so many messages Bob can send now."""
        return sum(self.say(number).status == 200 for number in range(wanted))

    def say(self, number: int) -> Answer:
        path = f"/rooms/{self.room_id}/send/m.room.message/{self.reactor.seconds()}.{number}"
        return self.bob.put(path, {"msgtype": "m.text", "body": "hello"})

    def set(self, per_second: int, burst: int) -> None:
        body = {"messages_per_second": per_second, "burst_count": burst}
        self.assertEqual(self.admin.post(self.path, body).json, body)
        self.assertEqual(self.admin.get(self.path).json, body)

    def test_more_for_one(self) -> None:
        self.assertEqual(self.admin.get(self.path).json, {})
        self.assertEqual(self.sent(5), 2)
        self.set(1, 4)
        self.advance(10_000)
        self.assertEqual(self.sent(10), 4)
        self.restart()
        self.assertEqual(self.sent(10), 4)
        # Of messages alone.
        self.assertEqual(self.bob.post("/createRoom", {}).status, 200)
        self.assertEqual(self.bob.post("/createRoom", {}).status, 200)
        self.assertEqual(self.bob.post("/createRoom", {}).error, (429, "M_LIMIT_EXCEEDED"))

    def test_no_limits_at_all(self) -> None:
        self.set(0, 0)
        self.assertEqual(self.sent(20), 20)
        for _ in range(5):
            self.assertEqual(self.bob.post("/createRoom", {}).status, 200)

    def test_as_all_others_again(self) -> None:
        self.set(0, 0)
        self.assertEqual(self.admin.delete(self.path).json, {})
        self.assertEqual(self.admin.get(self.path).json, {})
        self.assertEqual(self.sent(5), 2)

    def test_others_stay_limited(self) -> None:
        self.set(0, 0)
        room_id = self.admin.create_room()
        for expected in (200, 200, 429):
            path = f"/rooms/{room_id}/state/org.example.{expected}/"
            answer = self.admin.put(path, {"a": expected})
            self.advance(1)
            self.assertEqual(answer.status, expected)

    def test_refusals(self) -> None:
        for body in ({"messages_per_second": -1}, {"burst_count": "many"}, {"burst_count": 0.5}):
            self.assertEqual(self.admin.post(self.path, body).status, 400)
        self.assertEqual(self.bob.post(self.path, {}).error, (403, "M_FORBIDDEN"))
        for user_id, error in (
            ("@nobody:test", (404, "M_NOT_FOUND")),
            ("@bob:elsewhere.example", (400, "M_INVALID_PARAM")),
        ):
            path = f"/_synapse/admin/v1/users/{user_id}/override_ratelimit"
            for answer in (self.admin.get(path), self.admin.post(path, {}), self.admin.delete(path)):
                self.assertEqual(answer.error, error)
