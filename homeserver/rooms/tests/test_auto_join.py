from tests.client import Json
from tests.wire import WireClient, WireTestCase


class AutoJoinTestCase(WireTestCase):
    def joined(self, user: WireClient) -> list[str]:
        rooms: list[str] = user.get("/joined_rooms")["joined_rooms"]
        return rooms

    def room_of(self, alias: str) -> Json:
        return self.anonymous.get(f"/directory/room/%23{alias}:test").json.get("room_id")

    def guest(self) -> WireClient:
        return self._signed_in(self.anonymous.request("POST", "/register", {}, query={"kind": "guest"}))


class PublicTests(AutoJoinTestCase):
    settings = ("auto_join_rooms=['#welcome:test', '#lobby:test', '#x:elsewhere']", "allow_guest_access=true")

    def test_the_first_user_makes_them_and_all_join(self) -> None:
        alice, bob = self.register("alice"), self.register("bob")
        rooms = [self.room_of("welcome"), self.room_of("lobby")]
        for user in (alice, bob):
            self.assertEqual(sorted(self.joined(user)), sorted(rooms))
        join_rules = bob.state(rooms[0], "m.room.join_rules")
        self.assertEqual(join_rules["join_rule"], "public")
        self.assertEqual(alice.state(rooms[0], "m.room.power_levels").status, 200)

    def test_guests_make_none(self) -> None:
        self.guest()
        self.assertIsNone(self.room_of("welcome"))

    def test_one_that_cannot_be_joined_keeps_nobody_from_the_others(self) -> None:
        alice = self.register("alice")
        alice.set_state(self.room_of("welcome"), "m.room.join_rules", {"join_rule": "invite"})
        with self.assertLogs("homeserver.rooms.auto_join", "WARNING"):
            bob = self.register("bob")
        self.assertEqual(self.joined(bob), [self.room_of("lobby")])


class InvitedTests(AutoJoinTestCase):
    settings = (
        "auto_join_rooms=['#team:test']",
        "autocreate_auto_join_room_preset=private_chat",
        "auto_join_mxid_localpart=host",
        "autocreate_auto_join_rooms_federated=false",
    )

    def test_somebody_invites(self) -> None:
        host, bob = self.register("host"), self.register("bob")
        room_id = self.room_of("team")
        self.assertEqual((self.joined(host), self.joined(bob)), ([room_id], [room_id]))
        create = bob.state(room_id, "m.room.create").json
        self.assertIs(create["m.federate"], False)
        self.assertEqual(bob.state(room_id, "m.room.join_rules")["join_rule"], "invite")


class ByHandTests(AutoJoinTestCase):
    settings = ("auto_join_rooms=['#welcome:test']", "autocreate_auto_join_rooms=false")

    def test_none_are_made(self) -> None:
        self.register("alice")
        self.assertIsNone(self.room_of("welcome"))
