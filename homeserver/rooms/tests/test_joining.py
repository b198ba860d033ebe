from typing import Any, ClassVar

from tests.wire import WireClient, WireTestCase, each

_LOW = "{per_second: 0.001, burst_count: 2}"


def allowing(*room_ids: str, join_rule: str = "restricted") -> dict[str, Any]:
    allow = [{"type": "m.room_membership", "room_id": room_id} for room_id in room_ids]
    return {"join_rule": join_rule, "allow": allow}


class RestrictedTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.space_id = self.alice.create_room(creation_content={"type": "m.space"})

    def room(self, rules: dict[str, Any] | None = None, **wish: Any) -> str:
        state = {"type": "m.room.join_rules", "content": rules or allowing(self.space_id)}
        return self.alice.create_room(initial_state=[state], **wish)

    def enter_space(self, user: WireClient) -> None:
        self.alice.invite(self.space_id, user)
        self.assertEqual(user.join(self.space_id).status, 200)

    def test_members_of_the_space_may_join(self) -> None:
        for version in ("11", "12"):
            room_id = self.room(room_version=version)
            self.assertEqual(self.bob.join(room_id).error, (403, "M_FORBIDDEN"))
            self.enter_space(self.bob)
            self.assertEqual(self.bob.join(room_id).status, 200)
            member = self.bob.state(room_id, "m.room.member", self.bob.user_id).json
            self.assertEqual(member["join_authorised_via_users_server"], self.alice.user_id)
            self.bob.leave(self.space_id)

    def test_by_setting_state_too(self) -> None:
        room_id = self.room()
        self.enter_space(self.bob)
        wish = {"membership": "join", "join_authorised_via_users_server": "@mallory:test"}
        self.assertEqual(self.bob.set_state(room_id, "m.room.member", wish, self.bob.user_id).status, 200)
        member = self.bob.state(room_id, "m.room.member", self.bob.user_id).json
        self.assertEqual(member["join_authorised_via_users_server"], self.alice.user_id)
        self.assertEqual(member["displayname"], "bob")

    def test_who_is_invited_needs_no_space(self) -> None:
        room_id = self.room()
        self.alice.invite(room_id, self.bob)
        self.assertEqual(self.bob.join(room_id).status, 200)
        member = self.bob.state(room_id, "m.room.member", self.bob.user_id).json
        self.assertNotIn("join_authorised_via_users_server", member)

    def test_who_is_in_the_room_stays_so(self) -> None:
        room_id = self.room()
        self.enter_space(self.bob)
        self.bob.join(room_id)
        self.bob.leave(self.space_id)
        self.assertEqual(self.bob.join(room_id).status, 200)
        self.assertEqual(self.bob.put("/profile/@bob:test/displayname", {"displayname": "B"}).status, 200)

    def test_rules_that_name_nothing(self) -> None:
        def check(rules: dict[str, Any]) -> None:
            self.assertEqual(self.bob.join(self.room(rules)).error, (403, "M_FORBIDDEN"))

        self.enter_space(self.bob)
        cases: list[dict[str, Any]] = [
            {"join_rule": "restricted"},
            {"join_rule": "restricted", "allow": {}},
            {"join_rule": "restricted", "allow": [5, {}, {"type": "m.room_membership", "room_id": 5}]},
            {"join_rule": "restricted", "allow": [{"type": "x", "room_id": self.space_id}]},
            allowing("!none:test"),
        ]
        each(check, cases)

    def test_somebody_who_may_invite_lets_them_in(self) -> None:
        carol = self.register("carol")
        self.enter_space(carol)
        room_id = self.room(room_version="11", power_level_content_override={"invite": 50})
        carol.join(room_id)
        self.enter_space(self.bob)
        self.alice.leave(room_id)
        # Carol is in the room, but may not invite.
        self.assertEqual(self.bob.join(room_id).error, (400, "M_UNABLE_TO_GRANT_JOIN"))

    def test_anyone_may_invite(self) -> None:
        carol = self.register("carol")
        self.enter_space(carol)
        room_id = self.room(room_version="11")
        carol.join(room_id)
        self.enter_space(self.bob)
        self.alice.leave(room_id)
        self.assertEqual(self.bob.join(room_id).status, 200)

    def test_knock_restricted(self) -> None:
        room_id = self.room(allowing(self.space_id, join_rule="knock_restricted"))
        self.assertEqual(self.bob.post(f"/knock/{room_id}").json, {"room_id": room_id})
        self.assertEqual(self.bob.join(room_id).error, (403, "M_FORBIDDEN"))
        self.enter_space(self.bob)
        self.assertEqual(self.bob.join(room_id).status, 200)


class KnockTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        rule = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
        self.room_id = self.alice.create_room(initial_state=[rule], room_alias_name="door", name="House")

    def test_acceptance(self) -> None:
        answer = self.bob.post("/knock/%23door:test", {"reason": "tea?"})
        self.assertEqual(answer.json, {"room_id": self.room_id})
        member = self.alice.state(self.room_id, "m.room.member", self.bob.user_id).json
        self.assertEqual(member, {"membership": "knock", "reason": "tea?", "displayname": "bob"})
        knocked = self.bob.sync().json["rooms"]["knock"][self.room_id]["knock_state"]["events"]
        self.assertIn("House", [event["content"].get("name") for event in knocked])
        self.alice.invite(self.room_id, self.bob)
        self.assertEqual(self.bob.join(self.room_id).status, 200)

    def test_refusal_and_withdrawal(self) -> None:
        for put_out in (
            lambda: self.alice.kick(self.room_id, self.bob),
            lambda: self.bob.leave(self.room_id),
        ):
            self.assertEqual(self.bob.post(f"/knock/{self.room_id}").status, 200)
            self.assertEqual(put_out().status, 200)
            self.assertEqual(self.bob.join(self.room_id).error, (403, "M_FORBIDDEN"))

    def test_who_may_not(self) -> None:
        self.assertEqual(self.alice.post(f"/knock/{self.room_id}").error, (403, "M_FORBIDDEN"))
        self.alice.ban(self.room_id, self.bob)
        self.assertEqual(self.bob.post(f"/knock/{self.room_id}").error, (403, "M_FORBIDDEN"))
        closed = self.alice.create_room()
        self.assertEqual(self.register("carol").post(f"/knock/{closed}").error, (403, "M_FORBIDDEN"))

    def test_rooms_that_are_not_there(self) -> None:
        self.assertEqual(self.bob.post("/knock/%23none:test").error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.bob.post("/knock/!none:test").error, (404, "M_NOT_FOUND"))


class InvitePermissionTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room()

    def say(self, type_: str, content: Any) -> None:
        self.assertEqual(self.bob.put(f"/user/{self.bob.user_id}/account_data/{type_}", content).status, 200)

    def test_blocked(self) -> None:
        def check(type_: str) -> None:
            self.say(type_, {"default_action": "block"})
            wish = {"membership": "invite"}
            for answer in (
                self.alice.invite(self.room_id, self.bob),
                self.alice.set_state(self.room_id, "m.room.member", wish, self.bob.user_id),
                self.alice.post("/createRoom", {"invite": [self.bob.user_id]}),
            ):
                self.assertEqual(answer.error, (403, "M_INVITE_BLOCKED"))
            self.say(type_, {"default_action": "other"})
            self.assertEqual(self.alice.invite(self.alice.create_room(), self.bob).status, 200)

        each(check, ["m.invite_permission_config", "org.matrix.msc4380.invite_permission_config"])

    def test_lists(self) -> None:
        def check(case: tuple[dict[str, Any], int]) -> None:
            content, status = case
            self.say("org.matrix.msc4155.invite_permission_config", content)
            self.assertEqual(self.alice.invite(self.alice.create_room(), self.bob).status, status)

        cases: list[tuple[dict[str, Any], int]] = [
            ({"blocked_users": ["@al*:test"]}, 403),
            ({"blocked_servers": ["t?st"]}, 403),
            ({"allowed_users": ["@alice:*"], "blocked_servers": ["*"]}, 200),
            ({"ignored_users": ["@alice:test"], "blocked_users": ["*"]}, 200),
            ({"blocked_users": [5, "@bob:test"], "blocked_servers": "x"}, 200),
        ]
        each(check, cases)

    def test_invitations_of_before_are_hidden(self) -> None:
        self.alice.invite(self.room_id, self.bob)
        since = self.bob.sync().next_batch
        for type_, content in (
            ("m.invite_permission_config", {"default_action": "block"}),
            ("org.matrix.msc4155.invite_permission_config", {"ignored_users": ["@alice:test"]}),
        ):
            self.say(type_, content)
            self.assertIsNone(self.bob.sync().room(self.room_id, "invite"))
            self.say(type_, {})
            self.assertIsNotNone(self.bob.sync().room(self.room_id, "invite"))
        self.say("org.matrix.msc4155.invite_permission_config", {"ignored_users": ["@alice:test"]})
        other = self.alice.create_room(invite=[self.bob.user_id])
        self.assertIsNone(self.bob.sync(since).room(other, "invite"))
        self.assertEqual(self.bob.join(other).status, 200)


class LimitTests(WireTestCase):
    settings: ClassVar = [f"rc_joins_per_room={_LOW}", f"rc_invites.per_room={_LOW}"]

    def test_joins_of_one_room(self) -> None:
        room_id = self.register("alice").create_room(preset="public_chat")
        users = [self.register(name) for name in ("bob", "carol", "dave")]
        statuses = [user.join(room_id).status for user in users]
        self.assertEqual(statuses, [200, 200, 429])
        # Who is there already only says so again.
        self.assertEqual(users[0].join(room_id).status, 200)

    def test_invites_into_one_room(self) -> None:
        alice = self.register("alice")
        room_id = alice.create_room()
        users = [self.register(name) for name in ("bob", "carol", "dave")]
        self.assertEqual([alice.invite(room_id, user).status for user in users], [200, 200, 429])


class InvitedLimitTests(WireTestCase):
    settings: ClassVar = [f"rc_invites.per_user={_LOW}"]

    def test_invites_of_one_user(self) -> None:
        alice, bob = self.register("alice"), self.register("bob")
        rooms = [alice.create_room() for _ in range(3)]
        self.assertEqual([alice.invite(room_id, bob).status for room_id in rooms], [200, 200, 429])


class ForgettingTests(WireTestCase):
    settings: ClassVar = ["forget_rooms_on_leave=true"]

    def test_who_leaves_or_is_put_out_forgets(self) -> None:
        alice, bob = self.register("alice"), self.register("bob")
        capability = alice.get("/capabilities")["capabilities"]["m.forget_forced_upon_leave"]
        self.assertEqual(capability, {"enabled": True})
        everything = {"room": {"include_leave": True}}
        for put_out in (
            bob.leave,
            lambda room_id: alice.kick(room_id, bob),
            lambda room_id: alice.ban(room_id, bob),
        ):
            room_id = alice.create_room(members=[bob])
            since = bob.sync().next_batch
            self.assertEqual(put_out(room_id).status, 200)
            # All devices still hear of it.
            self.assertIsNotNone(bob.sync(since).room(room_id, "leave"))
            self.assertIsNone(bob.sync(filter=everything).room(room_id, "leave"))
            self.assertEqual(bob.messages(room_id).error, (403, "M_FORBIDDEN"))
        invited = alice.create_room(invite=[bob.user_id])
        bob.leave(invited)
        alice.invite(invited, bob)
        self.assertIsNotNone(bob.sync().room(invited, "invite"))
