"""Joining, leaving, inviting and removing at the wire."""

from typing import Any

from tests.client import Answer
from tests.wire import WireClient, WireTestCase, each

Json = Any

FORBIDDEN = (403, "M_FORBIDDEN")
NOWHERE = "!nowhere:test"
_WITH_LEFT_ROOMS = {"room": {"include_leave": True}}


class MembershipTestCase(WireTestCase):
    """Alice made a room, Bob is in it; Carol and Dave are not."""

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.carol, self.dave = self.register("carol"), self.register("dave")
        self.room_id = self.alice.create_room(members=[self.bob])

    def member(self, user: WireClient, room_id: str | None = None) -> Json:
        """The content of the user's member event."""
        return self.alice.state(room_id or self.room_id, "m.room.member", user.user_id).json

    def membership(self, user: WireClient) -> str:
        membership: str = self.member(user)["membership"]
        return membership

    def empower(self, user: WireClient, level: int) -> None:
        levels = self.alice.state(self.room_id, "m.room.power_levels").json
        levels["users"][user.user_id] = level
        self.assertEqual(self.alice.set_state(self.room_id, "m.room.power_levels", levels).status, 200)


class JoinTests(MembershipTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.public = self.alice.create_room(preset="public_chat", room_alias_name="pub")

    def test_public_room(self) -> None:
        self.assertEqual(self.carol.join(self.public).json, {"room_id": self.public})
        self.assertEqual(self.member(self.carol, self.public), {"membership": "join", "displayname": "carol"})

    def test_by_alias_and_by_id(self) -> None:
        for user, name in ((self.carol, "%23pub:test"), (self.dave, self.public)):
            self.assertEqual(user.post(f"/join/{name}").json, {"room_id": self.public})
            self.assertEqual(user.get("/joined_rooms").json, {"joined_rooms": [self.public]})

    def test_reason(self) -> None:
        self.carol.join(self.public, reason="thirst")
        self.assertEqual(self.member(self.carol, self.public)["reason"], "thirst")

    def test_body_may_be_absent(self) -> None:
        self.assertEqual(self.carol.request("POST", f"/join/{self.public}").status, 200)

    def test_again_changes_nothing(self) -> None:
        self.carol.join(self.public)
        since = self.alice.sync().next_batch
        self.assertEqual(self.carol.join(self.public).status, 200)
        self.assertEqual(self.alice.sync(since).timeline(self.public), [])

    def test_by_invitation(self) -> None:
        self.alice.invite(self.room_id, self.carol)
        self.assertEqual(self.carol.join(self.room_id).status, 200)
        self.assertEqual(self.membership(self.carol), "join")

    def test_uninvited(self) -> None:
        for path in (f"/rooms/{self.room_id}/join", f"/join/{self.room_id}"):
            self.assertEqual(self.carol.post(path).error, FORBIDDEN)

    def test_invitation_withdrawn(self) -> None:
        self.alice.invite(self.room_id, self.carol)
        self.alice.kick(self.room_id, self.carol)
        self.assertEqual(self.carol.join(self.room_id).error, FORBIDDEN)

    def test_banned(self) -> None:
        self.alice.ban(self.public, self.carol)
        self.assertEqual(self.carol.join(self.public).error, FORBIDDEN)

    def test_left_a_room_for_the_invited(self) -> None:
        self.bob.leave(self.room_id)
        self.assertEqual(self.bob.join(self.room_id).error, FORBIDDEN)

    def test_join_rules_that_let_nobody_in(self) -> None:
        for rule in ("private", "knock", "restricted", "org.example", "invite"):
            self.alice.set_state(self.room_id, "m.room.join_rules", {"join_rule": rule})
            self.assertEqual(self.carol.join(self.room_id).error, FORBIDDEN)

    def test_unknown_rooms(self) -> None:
        for name in (NOWHERE, "%23nowhere:test", "!" + "a" * 43):
            self.assertEqual(self.carol.post(f"/join/{name}").error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.carol.join(NOWHERE).error, (404, "M_NOT_FOUND"))

    def test_malformed_names(self) -> None:
        def check(name: str) -> None:
            self.assertEqual(self.carol.post(f"/join/{name}").error, (400, "M_INVALID_PARAM"))

        each(check, ["pub", "%23pub", "%23:test", "!", "@carol:test", "!x:", "%23pub:test%00", "%ff"])


class LeaveTests(MembershipTestCase):
    def test_joined(self) -> None:
        self.assertEqual(self.bob.leave(self.room_id).json, {})
        self.assertEqual(self.membership(self.bob), "leave")
        self.assertEqual(self.bob.get("/joined_rooms").json, {"joined_rooms": []})

    def test_reason(self) -> None:
        self.bob.leave(self.room_id, reason="late")
        self.assertEqual(self.member(self.bob), {"membership": "leave", "reason": "late"})

    def test_invited(self) -> None:
        self.alice.invite(self.room_id, self.carol)
        self.assertEqual(self.carol.leave(self.room_id).json, {})
        self.assertEqual(self.membership(self.carol), "leave")
        self.assertEqual(self.carol.join(self.room_id).error, FORBIDDEN)

    def test_never_there(self) -> None:
        self.assertEqual(self.carol.leave(self.room_id).error, FORBIDDEN)

    def test_banned(self) -> None:
        self.alice.ban(self.room_id, self.bob)
        self.assertEqual(self.bob.leave(self.room_id).error, FORBIDDEN)

    def test_again_changes_nothing(self) -> None:
        self.bob.leave(self.room_id)
        since = self.alice.sync().next_batch
        self.assertEqual(self.bob.leave(self.room_id).status, 200)
        self.assertEqual(self.alice.sync(since).timeline(self.room_id), [])

    def test_unknown_room(self) -> None:
        self.assertEqual(self.bob.leave(NOWHERE).error, (404, "M_NOT_FOUND"))

    def test_the_last_one_may_leave_too(self) -> None:
        for user in (self.bob, self.alice):
            self.assertEqual(user.leave(self.room_id).status, 200)
        self.assertEqual(self.alice.join(self.room_id).error, FORBIDDEN)


class InviteTests(MembershipTestCase):
    def test_every_member_may(self) -> None:
        self.assertEqual(self.bob.invite(self.room_id, self.carol, reason="fun").json, {})
        expected = {"membership": "invite", "displayname": "carol", "reason": "fun"}
        self.assertEqual(self.member(self.carol), expected)

    def test_strangers_may_not(self) -> None:
        self.assertEqual(self.carol.invite(self.room_id, self.dave).error, FORBIDDEN)

    def test_invited_users_may_not(self) -> None:
        self.alice.invite(self.room_id, self.carol)
        self.assertEqual(self.carol.invite(self.room_id, self.dave).error, FORBIDDEN)

    def test_power(self) -> None:
        levels = self.alice.state(self.room_id, "m.room.power_levels").json
        self.alice.set_state(self.room_id, "m.room.power_levels", {**levels, "invite": 50})
        self.assertEqual(self.bob.invite(self.room_id, self.carol).error, FORBIDDEN)
        self.empower(self.bob, 50)
        self.assertEqual(self.bob.invite(self.room_id, self.carol).status, 200)

    def test_users_who_are_in_already(self) -> None:
        for user in (self.alice, self.bob):
            self.assertEqual(self.alice.invite(self.room_id, user).error, FORBIDDEN)

    def test_banned_users(self) -> None:
        self.alice.ban(self.room_id, self.bob)
        self.assertEqual(self.alice.invite(self.room_id, self.bob).error, FORBIDDEN)

    def test_users_who_left(self) -> None:
        self.bob.leave(self.room_id)
        self.assertEqual(self.alice.invite(self.room_id, self.bob).status, 200)
        self.assertEqual(self.bob.join(self.room_id).status, 200)

    def test_twice(self) -> None:
        for user in (self.alice, self.bob):
            self.assertEqual(user.invite(self.room_id, self.carol).status, 200)

    def test_unknown_room(self) -> None:
        self.assertEqual(self.alice.invite(NOWHERE, self.carol).error, (404, "M_NOT_FOUND"))

    def test_bodies(self) -> None:
        def check(case: tuple[Json, tuple[int, str]]) -> None:
            body, error = case
            self.assertEqual(self.alice.post(f"/rooms/{self.room_id}/invite", body).error, error)

        each(
            check,
            [
                ({}, (400, "M_MISSING_PARAM")),
                ({"user_id": "carol"}, (400, "M_INVALID_PARAM")),
                ({"user_id": 5}, (400, "M_BAD_JSON")),
                ({"user_id": self.carol.user_id, "reason": 5}, (400, "M_BAD_JSON")),
            ],
        )


class KickTests(MembershipTestCase):
    def test_joined(self) -> None:
        self.assertEqual(self.alice.kick(self.room_id, self.bob, reason="rude").json, {})
        self.assertEqual(self.member(self.bob), {"membership": "leave", "reason": "rude"})

    def test_kicked_users_may_come_back(self) -> None:
        public = self.alice.create_room(preset="public_chat")
        self.bob.join(public)
        self.alice.kick(public, self.bob)
        self.assertEqual(self.bob.join(public).status, 200)

    def test_invited(self) -> None:
        self.alice.invite(self.room_id, self.carol)
        self.assertEqual(self.alice.kick(self.room_id, self.carol).status, 200)
        self.assertEqual(self.membership(self.carol), "leave")

    def test_those_who_are_not_there(self) -> None:
        self.alice.ban(self.room_id, self.dave)
        self.bob.leave(self.room_id)
        for user in (self.bob, self.carol, self.dave):
            self.assertEqual(self.alice.kick(self.room_id, user).error, FORBIDDEN)

    def test_power(self) -> None:
        self.alice.invite(self.room_id, self.carol)
        self.carol.join(self.room_id)
        self.assertEqual(self.bob.kick(self.room_id, self.carol).error, FORBIDDEN)
        self.empower(self.bob, 49)
        self.assertEqual(self.bob.kick(self.room_id, self.carol).error, FORBIDDEN)
        self.empower(self.bob, 50)
        self.empower(self.carol, 50)
        self.assertEqual(self.bob.kick(self.room_id, self.carol).error, FORBIDDEN)
        self.empower(self.bob, 51)
        self.assertEqual(self.bob.kick(self.room_id, self.carol).status, 200)

    def test_nobody_kicks_a_creator(self) -> None:
        self.empower(self.bob, 2**53 - 1)
        self.assertEqual(self.bob.kick(self.room_id, self.alice).error, FORBIDDEN)

    def test_strangers_may_not(self) -> None:
        self.assertEqual(self.carol.kick(self.room_id, self.bob).error, FORBIDDEN)

    def test_bodies(self) -> None:
        for action in ("kick", "ban", "unban"):
            path = f"/rooms/{self.room_id}/{action}"
            self.assertEqual(self.alice.post(path, {}).error, (400, "M_MISSING_PARAM"))
            self.assertEqual(self.alice.post(path, {"user_id": "bob"}).error, (400, "M_INVALID_PARAM"))
            self.assertEqual(self.alice.post(path, {"user_id": None}).error, (400, "M_BAD_JSON"))

    def test_unknown_room(self) -> None:
        for answer in (
            self.alice.kick(NOWHERE, self.bob),
            self.alice.ban(NOWHERE, self.bob),
            self.alice.unban(NOWHERE, self.bob),
        ):
            self.assertEqual(answer.error, (404, "M_NOT_FOUND"))


class BanTests(MembershipTestCase):
    def test_joined(self) -> None:
        self.assertEqual(self.alice.ban(self.room_id, self.bob, reason="spam").json, {})
        self.assertEqual(self.member(self.bob), {"membership": "ban", "reason": "spam"})
        self.assertEqual(self.bob.get("/joined_rooms").json, {"joined_rooms": []})

    def test_strangers_and_invited_users_can_be_banned(self) -> None:
        self.alice.invite(self.room_id, self.carol)
        for user in (self.carol, self.dave):
            self.assertEqual(self.alice.ban(self.room_id, user).status, 200)
            self.assertEqual(self.membership(user), "ban")

    def test_again_changes_nothing(self) -> None:
        self.alice.ban(self.room_id, self.bob)
        since = self.alice.sync().next_batch
        self.assertEqual(self.alice.ban(self.room_id, self.bob).status, 200)
        self.assertEqual(self.alice.sync(since).timeline(self.room_id), [])

    def test_power(self) -> None:
        self.assertEqual(self.bob.ban(self.room_id, self.carol).error, FORBIDDEN)
        self.empower(self.bob, 50)
        self.assertEqual(self.bob.ban(self.room_id, self.carol).status, 200)
        self.assertEqual(self.bob.ban(self.room_id, self.alice).error, FORBIDDEN)

    def test_equals_cannot_ban_each_other(self) -> None:
        room_id = self.alice.create_room(room_version="11", members=[self.bob])
        levels = self.alice.state(room_id, "m.room.power_levels").json
        levels["users"][self.bob.user_id] = 100
        self.alice.set_state(room_id, "m.room.power_levels", levels)
        self.assertEqual(self.alice.ban(room_id, self.bob).error, FORBIDDEN)
        self.assertEqual(self.bob.ban(room_id, self.alice).error, FORBIDDEN)

    def test_strangers_may_not(self) -> None:
        self.assertEqual(self.carol.ban(self.room_id, self.bob).error, FORBIDDEN)


class UnbanTests(MembershipTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice.ban(self.room_id, self.carol)

    def test_unbanned_users_can_be_invited(self) -> None:
        self.assertEqual(self.alice.unban(self.room_id, self.carol, reason="sorry").json, {})
        self.assertEqual(self.member(self.carol), {"membership": "leave", "reason": "sorry"})
        self.alice.invite(self.room_id, self.carol)
        self.assertEqual(self.carol.join(self.room_id).status, 200)

    def test_those_who_are_not_banned(self) -> None:
        for user in (self.bob, self.dave):
            self.assertEqual(self.alice.unban(self.room_id, user).error, FORBIDDEN)

    def test_power(self) -> None:
        self.assertEqual(self.bob.unban(self.room_id, self.carol).error, FORBIDDEN)
        levels = self.alice.state(self.room_id, "m.room.power_levels").json
        levels["users"][self.bob.user_id] = 50
        # To unban takes both levels, as what it makes of the user is a kick.
        for changed, status in (({"ban": 51}, 403), ({"kick": 51}, 403), ({}, 200)):
            self.alice.set_state(self.room_id, "m.room.power_levels", {**levels, **changed})
            self.assertEqual(self.bob.unban(self.room_id, self.carol).status, status)

    def test_nobody_unbans_themselves(self) -> None:
        self.assertEqual(self.carol.unban(self.room_id, self.carol).error, FORBIDDEN)


class ForgetTests(MembershipTestCase):
    def left_rooms(self, user: WireClient) -> list[str]:
        return list(user.sync(filter=_WITH_LEFT_ROOMS).json.get("rooms", {}).get("leave", {}))

    def test_left_room(self) -> None:
        self.bob.leave(self.room_id)
        self.assertEqual(self.left_rooms(self.bob), [self.room_id])
        self.assertEqual(self.bob.messages(self.room_id).status, 200)
        self.assertEqual(self.bob.forget(self.room_id).json, {})
        self.assertEqual(self.left_rooms(self.bob), [])

    def test_forgotten_rooms_are_closed(self) -> None:
        self.bob.leave(self.room_id)
        self.bob.forget(self.room_id)
        for answer in (
            self.bob.messages(self.room_id),
            self.bob.get(f"/rooms/{self.room_id}/state"),
            self.bob.get(f"/rooms/{self.room_id}/members"),
        ):
            self.assertEqual(answer.error, FORBIDDEN)

    def test_still_in_the_room(self) -> None:
        self.alice.invite(self.room_id, self.carol)
        for user in (self.bob, self.carol):
            self.assertEqual(user.forget(self.room_id).error, (400, "M_UNKNOWN"))

    def test_banned(self) -> None:
        self.alice.ban(self.room_id, self.bob)
        self.assertEqual(self.bob.forget(self.room_id).status, 200)
        self.assertEqual(self.left_rooms(self.bob), [])

    def test_twice(self) -> None:
        self.bob.leave(self.room_id)
        self.assertEqual([self.bob.forget(self.room_id).status for _ in range(2)], [200, 200])

    def test_never_there(self) -> None:
        self.assertEqual(self.carol.forget(self.room_id).error, FORBIDDEN)
        self.assertEqual(self.carol.forget(NOWHERE).error, (404, "M_NOT_FOUND"))

    def test_an_invitation_brings_it_back(self) -> None:
        self.bob.leave(self.room_id)
        self.bob.forget(self.room_id)
        self.alice.invite(self.room_id, self.bob)
        self.assertIn(self.room_id, self.bob.sync().json["rooms"]["invite"])
        self.bob.join(self.room_id)
        self.assertEqual(self.bob.messages(self.room_id).status, 200)

    def test_survives_a_restart(self) -> None:
        self.bob.leave(self.room_id)
        self.bob.forget(self.room_id)
        self.restart()
        self.assertEqual(self.left_rooms(self.bob), [])
        self.assertEqual(self.bob.messages(self.room_id).error, FORBIDDEN)


class MemberEventTests(MembershipTestCase):
    """Member events that are sent as what they are: state."""

    def put(self, sender: WireClient, target: str, content: Json) -> Answer:
        return sender.set_state(self.room_id, "m.room.member", content, target)

    def test_all_that_the_other_endpoints_do(self) -> None:
        for sender, membership in (
            (self.alice, "invite"),
            (self.carol, "join"),
            (self.carol, "leave"),
            (self.alice, "ban"),
            (self.alice, "leave"),
        ):
            answer = self.put(sender, self.carol.user_id, {"membership": membership})
            self.assertEqual((answer.status, self.membership(self.carol)), (200, membership))

    def test_nobody_joins_for_another(self) -> None:
        self.alice.invite(self.room_id, self.carol)
        answer = self.put(self.alice, self.carol.user_id, {"membership": "join"})
        self.assertEqual(answer.error, FORBIDDEN)

    def test_contents_that_say_nothing(self) -> None:
        def check(content: Json) -> None:
            self.assertEqual(self.put(self.bob, self.bob.user_id, content).error, FORBIDDEN)

        each(check, [{}, {"membership": 5}, {"membership": "gone"}, {"membership": None}])

    def test_keys_that_are_no_users(self) -> None:
        for key in ("carol", "", "@carol"):
            answer = self.put(self.alice, key, {"membership": "invite"})
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

    def test_as_messages_they_are_refused(self) -> None:
        path = f"/rooms/{self.room_id}/send/m.room.member/1"
        self.assertEqual(self.bob.put(path, {"membership": "leave"}).error, FORBIDDEN)
