"""Users of one server in rooms of another, both of them whole."""

from federation.joining.tests.neighbours import HOME, NeighboursTestCase
from homeserver.protocol.room_versions import ROOM_VERSIONS


class JoinTests(NeighboursTestCase):
    def test_rooms_of_every_version(self) -> None:
        for version in ROOM_VERSIONS:
            room_id = self.room(room_version=version, name=f"of version {version}")
            self.alice.send(room_id, "before")
            self.assertEqual(self.join(room_id).json, {"room_id": room_id})
            self.settle()
            both = {self.alice.user_id, self.bob.user_id}
            self.assertEqual(self.joined(self.alice, room_id), both)
            self.assertEqual(self.joined(self.bob, room_id), both)
            self.assertEqual(self.bob.state(room_id, "m.room.name")["name"], f"of version {version}")
            self.bob.send(room_id, "from bob")
            self.settle()
            self.alice.send(room_id, "from alice")
            self.settle()
            for user in (self.alice, self.bob):
                self.assertEqual(self.bodies(user, room_id)[-2:], ["from bob", "from alice"])

    def test_it_is_told_by_sync(self) -> None:
        since = self.bob.sync().next_batch
        room_id = self.room(name="Here")
        self.join(room_id)
        self.settle()
        room = self.bob.sync(since).room(room_id)
        state = {(event["type"], event["state_key"]) for event in room["state"]["events"]}
        self.assertLessEqual({("m.room.name", ""), ("m.room.member", self.alice.user_id)}, state)
        self.assertEqual(room["timeline"]["events"][-1]["content"]["membership"], "join")
        self.assertTrue(room["timeline"]["limited"])

    def test_the_resident_sends_the_join_to_others(self) -> None:
        third = self.another("third.example")
        carol, room_id = third.register("carol"), self.room()
        self.join(room_id, carol)
        self.join(room_id)
        self.settle(third)
        self.assertEqual(self.membership(carol, room_id, self.bob), "join")
        # Bob's server sent nothing by itself: its message is the first.
        self.assertEqual(self.sent_from_here(), [])
        self.bob.send(room_id, "hello")
        self.settle(third)
        self.assertEqual(self.bodies(carol, room_id), ["hello"])

    def test_by_an_alias(self) -> None:
        room_id = self.room(room_alias_name="town")
        self.assertEqual(
            self.bob.get(f"/directory/room/%23town:{HOME}").json, {"room_id": room_id, "servers": [HOME]}
        )
        answer = self.bob.post(f"/join/%23town:{HOME}")
        self.assertEqual(answer.json, {"room_id": room_id})
        self.assertEqual(self.bob.post(f"/join/%23nowhere:{HOME}").error, (404, "M_NOT_FOUND"))

    def test_by_the_server_in_the_id(self) -> None:
        room_id = self.room(room_version="11")
        self.assertEqual(self.bob.join(room_id).status, 200)

    def test_nobody_to_ask(self) -> None:
        room_id = self.room(room_version="12")
        self.assertEqual(self.bob.join(room_id).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.join(room_id, via="not a name").error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.join(room_id, via="test").error, (404, "M_NOT_FOUND"))

    def test_several_servers_are_tried(self) -> None:
        room_id = self.room()
        query = [("via", "gone.example"), ("via", HOME)]
        self.assertEqual(self.bob.request("POST", f"/join/{room_id}", {}, query=query).status, 200)

    def test_servers_that_are_down(self) -> None:
        room_id = self.room()
        self.network.down.add(HOME)
        self.assertEqual(self.join(room_id).error, (502, "M_UNKNOWN"))

    def test_rooms_that_are_closed(self) -> None:
        room_id = self.room(preset="private_chat")
        self.assertEqual(self.join(room_id).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.rooms("join"), {})

    def test_rooms_that_there_are_not(self) -> None:
        self.assertEqual(self.join(f"!nothing:{HOME}").error, (404, "M_NOT_FOUND"))

    def test_somebody_else_of_the_server_is_there(self) -> None:
        room_id = self.room()
        self.join(room_id)
        asked = len([one for one in self.network.requests if "make_join" in one.url])
        carol = self.register("carol")
        self.assertEqual(carol.join(room_id).status, 200)
        self.settle()
        self.assertEqual(self.membership(self.alice, room_id, carol), "join")
        self.assertEqual(len([one for one in self.network.requests if "make_join" in one.url]), asked)

    def test_coming_back(self) -> None:
        room_id = self.room()
        self.join(room_id)
        self.bob.leave(room_id)
        self.settle()
        self.assertEqual(self.membership(self.alice, room_id, self.bob), "leave")
        self.alice.set_state(room_id, "m.room.topic", {"topic": "while he was away"})
        self.settle()
        self.assertEqual(self.join(room_id).status, 200)
        self.settle()
        self.assertEqual(self.bob.state(room_id, "m.room.topic")["topic"], "while he was away")
        self.bob.send(room_id, "back")
        self.settle()
        self.assertEqual(self.bodies(self.alice, room_id), ["back"])

    def test_restricted_rooms(self) -> None:
        for version in ("9", "10", "11", "12"):
            space_id = self.room(creation_content={"type": "m.space"})
            allow = [{"type": "m.room_membership", "room_id": space_id}]
            rules = {"join_rule": "restricted", "allow": allow}
            initial = [{"type": "m.room.join_rules", "content": rules}]
            room_id = self.room(room_version=version, initial_state=initial, preset="private_chat")
            self.assertEqual(self.join(room_id).error, (403, "M_FORBIDDEN"))
            self.join(space_id)
            self.assertEqual(self.join(room_id).status, 200)
            member = self.bob.state(room_id, "m.room.member", self.bob.user_id).json
            self.assertEqual(member["join_authorised_via_users_server"], self.alice.user_id)
            # Nobody of Bob's server has the power to let others in.
            carol = self.register(f"carol{version}")
            levels = self.alice.state(room_id, "m.room.power_levels").json
            self.alice.set_state(room_id, "m.room.power_levels", {**levels, "invite": 50})
            self.settle()
            self.join(space_id, carol)
            self.assertEqual(self.join(room_id, carol).status, 200)
            self.assertEqual(self.membership(self.bob, room_id, carol), "join")


class KnockTests(NeighboursTestCase):
    def setUp(self) -> None:
        super().setUp()
        rules = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
        self.room_id = self.room(preset="private_chat", initial_state=[rules], name="Closed")

    def knocked(self) -> bool:
        return self.room_id in self.rooms("knock")

    def test_withdrawn(self) -> None:
        self.knock(self.room_id)
        self.assertEqual(self.bob.leave(self.room_id).status, 200)
        self.assertFalse(self.knocked())
        self.assertEqual(self.membership(self.alice, self.room_id, self.bob), "leave")

    def test_a_server_that_tells_of_the_room_without_end(self) -> None:
        topic = {"type": "m.room.topic", "state_key": "", "sender": self.alice.user_id}
        huge = [{**topic, "content": {"topic": f"{number:05}" * 10_000}} for number in range(200)]
        self.network.lies["send_knock"] = lambda _: {"knock_room_state": huge}
        self.assertEqual(self.knock(self.room_id).status, 200)
        self.assertTrue(self.knocked())
        told = self.bob.get("/sync")["rooms"]["knock"][self.room_id]["knock_state"]["events"]
        # A megabyte, and Bob's own event.
        self.assertLess(len(str(told)), 1_200_000)
        self.assertGreater(len(told), 5)

    def test_where_nobody_may(self) -> None:
        self.assertEqual(self.knock(self.room()).error, (403, "M_FORBIDDEN"))
        old = self.room(room_version="6")
        self.assertEqual(self.knock(old).error, (400, "M_INCOMPATIBLE_ROOM_VERSION"))


class RemovalTests(NeighboursTestCase):
    def test_kicks_and_bans_reach_the_user(self) -> None:
        room_id = self.room()
        self.join(room_id)
        self.alice.kick(room_id, self.bob)
        self.settle()
        self.assertNotIn(room_id, self.rooms("join"))
        self.join(room_id)
        self.alice.ban(room_id, self.bob)
        self.settle()
        self.assertNotIn(room_id, self.rooms("join"))
        self.assertEqual(self.join(room_id).error, (403, "M_FORBIDDEN"))
