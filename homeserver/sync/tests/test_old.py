from tests.wire import WireTestCase


class InitialSyncTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")

    def test_rooms(self) -> None:
        room_id = self.alice.create_room(members=[self.bob], name="Cats")
        invited = self.alice.create_room(invite=[self.bob.user_id])
        sent = [self.alice.send(room_id, str(number)) for number in range(3)]
        self.bob.put(f"/user/{self.bob.user_id}/account_data/org.example", {"x": 1})
        answer = self.bob.get("/initialSync", limit=2)
        rooms = {room["room_id"]: room for room in answer["rooms"]}
        self.assertEqual({room_id: "join", invited: "invite"}, {k: v["membership"] for k, v in rooms.items()})
        messages = rooms[room_id]["messages"]
        self.assertEqual([event["event_id"] for event in messages["chunk"]], sent[1:])
        self.assertIn("m.room.name", [event["type"] for event in rooms[room_id]["state"]])
        older = self.bob.messages(room_id, from_=messages["start"], limit=1)
        self.assertEqual(older["chunk"][0]["event_id"], sent[0])
        self.assertIn({"type": "org.example", "content": {"x": 1}}, answer["account_data"])
        # The same tokens as those of /sync.
        self.assertEqual(self.bob.sync(answer["end"]).json.get("rooms"), None)

    def test_archived_rooms(self) -> None:
        room_id = self.alice.create_room(members=[self.bob])
        self.bob.leave(room_id)
        self.assertEqual(self.bob.get("/initialSync")["rooms"], [])
        (room,) = self.bob.get("/initialSync", archived="true")["rooms"]
        self.assertEqual((room["room_id"], room["membership"]), (room_id, "leave"))
