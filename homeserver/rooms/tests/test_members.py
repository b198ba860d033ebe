"""Who is in which room, at the wire: /joined_rooms, /members and /joined_members."""

from typing import Any

from tests.wire import WireClient, WireTestCase, each

Json = Any

FORBIDDEN = (403, "M_FORBIDDEN")


class JoinedRoomsTests(WireTestCase):
    def test_follows_memberships(self) -> None:
        alice, bob = self.register("alice"), self.register("bob")
        rooms = [alice.create_room(invite=[bob.user_id]) for _ in range(4)]
        for room_id in rooms[:3]:
            bob.join(room_id)
        bob.leave(rooms[0])
        alice.kick(rooms[1], bob)
        self.assertEqual(bob.get("/joined_rooms").json, {"joined_rooms": [rooms[2]]})
        self.assertEqual(set(alice.get("/joined_rooms")["joined_rooms"]), set(rooms))

    def test_survives_a_restart(self) -> None:
        alice = self.register("alice")
        room_id = alice.create_room()
        self.restart()
        self.assertEqual(alice.get("/joined_rooms").json, {"joined_rooms": [room_id]})


class MembersTestCase(WireTestCase):
    """A room with one member of each kind."""

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob, self.carol = map(self.register, ("alice", "bob", "carol"))
        self.dave, self.erin, self.frank = map(self.register, ("dave", "erin", "frank"))
        self.room_id = self.alice.create_room(members=[self.bob, self.dave, self.erin])
        self.alice.set_state(self.room_id, "m.room.join_rules", {"join_rule": "knock"})
        self.alice.invite(self.room_id, self.carol)
        self.dave.leave(self.room_id)
        self.alice.ban(self.room_id, self.erin)
        self.frank.set_state(self.room_id, "m.room.member", {"membership": "knock"}, self.frank.user_id)

    def members(self, user: WireClient, **query: Any) -> dict[str, str]:
        """Memberships by local part."""
        chunk = user.get(f"/rooms/{self.room_id}/members", **query)["chunk"]
        found = {event["state_key"][1:-5]: event["content"]["membership"] for event in chunk}
        self.assertEqual(len(found), len(chunk))
        return found


class MembersTests(MembersTestCase):
    ALL = (
        ("alice", "join"),
        ("bob", "join"),
        ("carol", "invite"),
        ("dave", "leave"),
        ("erin", "ban"),
        ("frank", "knock"),
    )

    def test_all(self) -> None:
        self.assertEqual(self.members(self.bob), dict(self.ALL))

    def test_each_change_is_told(self) -> None:
        """What was asked for once is in memory."""
        self.members(self.bob)
        self.alice.invite(self.room_id, self.dave)
        self.assertEqual(self.members(self.bob), {**dict(self.ALL), "dave": "invite"})
        self.restart()
        self.assertEqual(self.members(self.bob)["dave"], "invite")

    def test_redacted_members_lose_their_names(self) -> None:
        self.bob.put(f"/profile/{self.bob.user_id}/displayname", {"displayname": "Bobby"})
        self.advance(120)

        def shown() -> Json:
            chunk = self.alice.get(f"/rooms/{self.room_id}/members", membership="join")["chunk"]
            (event,) = [event for event in chunk if event["state_key"] == self.bob.user_id]
            return event

        event = shown()
        self.assertEqual(event["content"]["displayname"], "Bobby")
        self.alice.redact(self.room_id, event["event_id"])
        self.assertNotIn("displayname", shown()["content"])
        self.assertIn("redacted_because", shown()["unsigned"])

    def test_filters(self) -> None:
        for membership in ("join", "invite", "knock", "leave", "ban"):
            having = {name for name, held in self.ALL if held == membership}
            self.assertEqual(self.members(self.bob, membership=membership).keys(), having)
            others = {name for name, _ in self.ALL} - having
            self.assertEqual(self.members(self.bob, not_membership=membership).keys(), others)

    def test_both_filters_together_let_more_pass(self) -> None:
        found = self.members(self.bob, membership="ban", not_membership="leave")
        self.assertEqual(found.keys(), {"alice", "bob", "carol", "erin", "frank"})
        found = self.members(self.bob, membership="ban", not_membership="ban")
        self.assertEqual(found, dict(self.ALL))

    def test_filters_that_are_no_memberships(self) -> None:
        for name in ("membership", "not_membership"):
            answer = self.bob.get(f"/rooms/{self.room_id}/members", **{name: "gone"})
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

    def test_at_an_earlier_time(self) -> None:
        before = self.bob.sync().next_batch
        self.carol.join(self.room_id)
        self.alice.kick(self.room_id, self.bob)
        self.alice.unban(self.room_id, self.erin)
        after = self.alice.sync().next_batch
        self.assertEqual(self.members(self.alice, at=before), dict(self.ALL))
        expected = {**dict(self.ALL), "carol": "join", "bob": "leave", "erin": "leave"}
        self.assertEqual(self.members(self.alice, at=after), expected)
        self.assertEqual(self.members(self.alice), expected)

    def test_before_the_room_was(self) -> None:
        self.assertEqual(self.members(self.alice, at="s0"), {})

    def test_tokens_that_are_none(self) -> None:
        def check(token: str) -> None:
            answer = self.alice.get(f"/rooms/{self.room_id}/members", at=token)
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

        each(check, ["", "s", "x1", "s1.5", "s1_", "s ", "s 1", "s" + "9" * 30, "s" + "9" * 5000])

    def test_after_leaving(self) -> None:
        self.bob.leave(self.room_id)
        self.carol.join(self.room_id)
        expected = {**dict(self.ALL), "bob": "leave"}
        self.assertEqual(self.members(self.bob), expected)
        self.assertEqual(self.members(self.bob, at=self.alice.sync().next_batch), expected)

    def test_after_being_banned(self) -> None:
        self.alice.ban(self.room_id, self.bob)
        self.carol.leave(self.room_id)
        self.assertEqual(self.members(self.bob), {**dict(self.ALL), "bob": "ban"})

    def test_those_who_never_were_in_the_room(self) -> None:
        for user in (self.carol, self.frank, self.register("mallory")):
            for path in ("members", "joined_members", "state", "messages"):
                answer = user.get(f"/rooms/{self.room_id}/{path}", dir="b")
                self.assertEqual((path, answer.error), (path, FORBIDDEN))


class JoinedMembersTests(MembersTestCase):
    def test_names_and_pictures(self) -> None:
        self.bob.put(f"/profile/{self.bob.user_id}/avatar_url", {"avatar_url": "mxc://test/bob"})
        self.assertEqual(
            self.alice.get(f"/rooms/{self.room_id}/joined_members").json["joined"],
            {
                "@alice:test": {"display_name": "alice"},
                "@bob:test": {"display_name": "bob", "avatar_url": "mxc://test/bob"},
            },
        )

    def test_names_that_are_none(self) -> None:
        content = {"membership": "join", "displayname": 5, "avatar_url": {}}
        self.bob.set_state(self.room_id, "m.room.member", content, self.bob.user_id)
        joined = self.alice.get(f"/rooms/{self.room_id}/joined_members")["joined"]
        self.assertEqual(joined["@bob:test"], {})

    def test_for_joined_users_only(self) -> None:
        for user in (self.carol, self.dave, self.erin, self.frank):
            self.assertEqual(user.get(f"/rooms/{self.room_id}/joined_members").error, FORBIDDEN)
        self.assertEqual(self.alice.get("/rooms/!nowhere:test/joined_members").error, FORBIDDEN)
