"""Users of one server invited to rooms of another, both of them whole."""

from federation.joining.tests.neighbours import HOME, NeighboursTestCase
from homeserver.protocol.room_versions import ROOM_VERSIONS


class InviteTests(NeighboursTestCase):
    def test_in_rooms_of_every_version(self) -> None:
        for version in ROOM_VERSIONS:
            room_id = self.room(room_version=version, name="Ours", preset="private_chat")
            self.assertEqual(self.alice.invite(room_id, self.bob).json, {})
            self.assertLessEqual(
                {("m.room.create", ""), ("m.room.name", ""), ("m.room.member", self.bob.user_id)},
                self.invited(room_id),
            )
            self.assertEqual(self.membership(self.alice, room_id, self.bob), "invite")
            self.assertEqual(self.bob.join(room_id).status, 200)
            self.assertEqual(self.invited(room_id), set())
            self.assertEqual(self.membership(self.alice, room_id, self.bob), "join")

    def test_with_the_room(self) -> None:
        room_id = self.room(preset="trusted_private_chat", invite=[self.bob.user_id], is_direct=True)
        self.assertIn(("m.room.member", self.bob.user_id), self.invited(room_id))
        member = self.alice.state(room_id, "m.room.member", self.bob.user_id).json
        self.assertEqual((member["membership"], member["is_direct"]), ("invite", True))

    def test_a_room_whose_invited_cannot_be_told(self) -> None:
        self.network.down.add("test")
        room_id = self.room(invite=[self.bob.user_id])
        self.assertEqual(self.alice.state(room_id, "m.room.member", self.bob.user_id).status, 404)

    def test_refused(self) -> None:
        room_id = self.room(preset="private_chat")
        self.alice.invite(room_id, self.bob)
        self.assertEqual(self.bob.leave(room_id).json, {})
        self.assertEqual(self.invited(room_id), set())
        self.assertEqual(self.membership(self.alice, room_id, self.bob), "leave")
        self.assertEqual(self.bob.leave(room_id).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.bob.forget(room_id).json, {})

    def test_refused_when_the_inviter_is_gone(self) -> None:
        room_id = self.room(preset="private_chat")
        self.alice.invite(room_id, self.bob)
        self.network.down.add(HOME)
        self.assertEqual(self.bob.forget(room_id).error, (400, "M_UNKNOWN"))
        self.assertEqual(self.bob.leave(room_id).json, {})
        self.assertEqual(self.invited(room_id), set())

    def test_by_others_to_rooms_known_here(self) -> None:
        room_id = self.room(preset="private_chat")
        self.alice.invite(room_id, self.bob)
        self.bob.join(room_id)
        self.bob.leave(room_id)
        self.settle()
        self.assertEqual(self.alice.invite(room_id, self.bob).status, 200)
        self.assertIn(("m.room.member", self.bob.user_id), self.invited(room_id))
        self.assertEqual(self.bob.join(room_id).status, 200)

    def test_their_server_is_down(self) -> None:
        room_id = self.room()
        self.network.down.add("test")
        self.assertEqual(self.alice.invite(room_id, self.bob).error, (502, "M_UNKNOWN"))
        self.assertEqual(self.alice.state(room_id, "m.room.member", self.bob.user_id).status, 404)

    def test_who_may_not_invite(self) -> None:
        room_id = self.room()
        eve = self.home.register("eve")
        self.assertEqual(eve.invite(room_id, self.bob).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.invited(room_id), set())

    def test_by_state(self) -> None:
        room_id = self.room()
        self.alice.set_state(room_id, "m.room.member", {"membership": "invite"}, self.bob.user_id)
        self.assertIn(("m.room.member", self.bob.user_id), self.invited(room_id))

    def test_after_a_knock(self) -> None:
        rules = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
        room_id = self.room(preset="private_chat", initial_state=[rules], name="Closed")
        self.assertEqual(self.knock(room_id, reason="please").json, {"room_id": room_id})
        self.assertIn(room_id, self.rooms("knock"))
        member = self.alice.state(room_id, "m.room.member", self.bob.user_id).json
        self.assertEqual((member["membership"], member["reason"]), ("knock", "please"))
        self.alice.invite(room_id, self.bob)
        self.assertEqual(self.bob.join(room_id).status, 200)
        self.assertNotIn(room_id, self.rooms("knock"))
