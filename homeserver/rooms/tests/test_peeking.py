from typing import ClassVar

from tests.wire import WireClient, WireTestCase


class PeekingTestCase(WireTestCase):
    settings: ClassVar = ["allow_guest_access=true"]

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")

    def room(self, visibility: str = "world_readable", guest_access: str = "forbidden") -> str:
        state = [
            {"type": "m.room.history_visibility", "content": {"history_visibility": visibility}},
            {"type": "m.room.guest_access", "content": {"guest_access": guest_access}},
        ]
        return self.alice.create_room(preset="public_chat", initial_state=state)

    def guest(self) -> WireClient:
        return self._signed_in(self.anonymous.request("POST", "/register", {}, query={"kind": "guest"}))


class InitialSyncTests(PeekingTestCase):
    def test_what_strangers_see(self) -> None:
        room_id = self.room()
        sent = [self.alice.send(room_id, str(number)) for number in range(3)]
        answer = self.bob.get(f"/rooms/{room_id}/initialSync", limit=2)
        self.assertNotIn("membership", answer.json)
        self.assertEqual([event["event_id"] for event in answer["messages"]["chunk"]], sent[1:])
        self.assertIn("m.room.create", [event["type"] for event in answer["state"]])
        self.assertEqual((answer["visibility"], answer["account_data"]), ("private", []))
        older = self.bob.messages(room_id, from_=answer["messages"]["start"], limit=1)
        self.assertEqual(older["chunk"][0]["event_id"], sent[0])

    def test_what_members_see(self) -> None:
        room_id = self.room("shared")
        self.bob.join(room_id)
        self.bob.put(f"/user/{self.bob.user_id}/rooms/{room_id}/tags/u.tea", {})
        answer = self.bob.get(f"/rooms/{room_id}/initialSync")
        self.assertEqual(answer["membership"], "join")
        self.assertEqual(answer["account_data"], [{"type": "m.tag", "content": {"tags": {"u.tea": {}}}}])

    def test_closed_rooms(self) -> None:
        for room_id in (self.room("shared"), "!none:test"):
            answer = self.bob.get(f"/rooms/{room_id}/initialSync")
            self.assertEqual(answer.error, (403, "M_FORBIDDEN"))


class EventsTests(PeekingTestCase):
    def test_what_comes(self) -> None:
        room_id = self.room()
        end = self.bob.get(f"/rooms/{room_id}/initialSync")["messages"]["end"]
        query = {"room_id": room_id, "from": end, "timeout": 30_000}
        waiting = self.bob.start("GET", "/events", query=query)
        self.alice.send(self.alice.create_room(), "elsewhere")
        self.assertIsNone(waiting.answer)
        event_id = self.alice.send(room_id, "hello")
        answer = waiting.answer
        assert answer is not None
        self.assertEqual([event["event_id"] for event in answer["chunk"]], [event_id])
        self.assertEqual(answer["start"], end)
        again = self.bob.get("/events", room_id=room_id, **{"from": answer["end"]})
        self.assertEqual((again["chunk"], again["start"]), ([], answer["end"]))

    def test_nothing_comes(self) -> None:
        room_id = self.room()
        waiting = self.bob.start("GET", "/events", query={"room_id": room_id, "timeout": 5_000})
        self.advance(4)
        self.assertIsNone(waiting.answer)
        self.advance(2)
        assert waiting.answer is not None
        self.assertEqual(waiting.answer["chunk"], [])

    def test_no_event_is_missed_or_doubled(self) -> None:
        room_id = self.room()
        end = self.bob.get(f"/rooms/{room_id}/initialSync")["messages"]["end"]
        sent = [self.alice.send(room_id, str(number)) for number in range(150)]
        found: list[str] = []
        for _ in range(3):
            answer = self.bob.get("/events", room_id=room_id, **{"from": end})
            found += [event["event_id"] for event in answer["chunk"]]
            end = answer["end"]
        self.assertEqual(found, sent)

    def test_what_cannot_be(self) -> None:
        room_id = self.room("shared")
        self.assertEqual(self.bob.get("/events").error, (400, "M_MISSING_PARAM"))
        self.assertEqual(self.bob.get("/events", room_id=room_id).error, (403, "M_FORBIDDEN"))
        answer = self.alice.get("/events", room_id=room_id, **{"from": "x"})
        self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))


class WorldReadableTests(PeekingTestCase):
    def test_strangers_may_read(self) -> None:
        room_id = self.room()
        event_id = self.alice.send(room_id, "hello")
        for path in ("state", "members", f"event/{event_id}", "context/" + event_id):
            self.assertEqual((path, self.bob.get(f"/rooms/{room_id}/{path}").status), (path, 200))
        self.assertEqual(self.bob.messages(room_id)["chunk"][0]["event_id"], event_id)


class GuestTests(PeekingTestCase):
    def test_guests_join_where_they_may(self) -> None:
        guest = self.guest()
        self.assertEqual(guest.join(self.room()).error, (403, "M_GUEST_ACCESS_FORBIDDEN"))
        room_id = self.room(guest_access="can_join")
        self.assertEqual(guest.join(room_id).status, 200)
        guest.send(room_id, "hello")

    def test_by_setting_state_too(self) -> None:
        guest, room_id = self.guest(), self.room()
        answer = guest.set_state(room_id, "m.room.member", {"membership": "join"}, guest.user_id)
        self.assertEqual(answer.error, (403, "M_GUEST_ACCESS_FORBIDDEN"))

    def test_guests_leave_a_room_that_is_closed_to_them(self) -> None:
        guest, room_id = self.guest(), self.room(guest_access="can_join")
        guest.join(room_id)
        self.bob.join(room_id)
        self.alice.set_state(room_id, "m.room.guest_access", {"guest_access": "forbidden"})
        self.advance(60)
        self.assertEqual(set(self.alice.get(f"/rooms/{room_id}/joined_members")["joined"]), {
            self.alice.user_id, self.bob.user_id,
        })  # fmt: skip
        self.assertEqual(self.left_to_do(), [])

    def test_guests_stay_where_the_door_opens_again(self) -> None:
        guest, room_id = self.guest(), self.room(guest_access="can_join")
        guest.join(room_id)
        for access in ("forbidden", "can_join"):
            self.alice.set_state(room_id, "m.room.guest_access", {"guest_access": access})
        self.advance(60)
        self.assertIn(guest.user_id, self.alice.get(f"/rooms/{room_id}/joined_members")["joined"])
        self.assertEqual(self.left_to_do(), [])

    def left_to_do(self) -> list[tuple[object, ...]]:
        rows = self.server.db.read(lambda txn: txn.rows("SELECT room FROM room_guests_leaving"))
        return self.successResultOf(rows)
