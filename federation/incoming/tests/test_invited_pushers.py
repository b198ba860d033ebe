"""Phones hear of invitations to rooms of other servers."""

from federation.incoming.tests.neighbour import ROB
from federation.incoming.tests.test_invites import InviteTestCase
from homeserver.http.outbound import Outbound
from homeserver.push.pushers.tests.pushed import PUSHER, Gateway


class InvitedPusherTests(InviteTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.gateway = Gateway()
        self.patch(Outbound, "request", lambda _, *args, **options: self.gateway.request(*args, **options))
        self.alice.post("/pushers/set", PUSHER)

    def test_it_is_told(self) -> None:
        invitation = self.invitation()
        rob = self.made("m.room.member", {"membership": "join", "displayname": "Rob"}, ROB)
        told = [self.create.pdu(), self.name.pdu(), rob.pdu()]
        self.assertEqual(self.invite(invitation, invite_room_state=told).status, 200)
        (notification,) = self.gateway.notifications
        (device,) = notification.pop("devices")
        self.assertEqual((device["pushkey"], device["tweaks"]), ("KEY", {"sound": "default"}))
        self.assertEqual(
            notification,
            {
                "event_id": invitation.event_id,
                "room_id": self.far,
                "prio": "high",
                "type": "m.room.member",
                "sender": ROB,
                "sender_display_name": "Rob",
                "room_name": "Far away",
                "user_is_target": True,
                "content": {"membership": "invite"},
                "counts": {"unread": 1},
            },
        )

    def test_it_counts_until_it_is_answered(self) -> None:
        bob = self.register("bob")
        room_id = self.alice.create_room(members=[bob])
        self.invite(self.invitation())
        bob.send(room_id, "one")
        counts = [one["counts"]["unread"] for one in self.gateway.notifications]
        self.assertEqual(counts, [1, 2], "the invitation; and a room")
        self.alice.leave(self.far)
        # The other server was told, too.
        self.gateway.forget()
        bob.send(room_id, "two")
        self.assertEqual([one["counts"]["unread"] for one in self.gateway.notifications], [1])

    def test_it_is_told_again_where_the_gateway_was_down(self) -> None:
        self.gateway.status = 500
        invitation = self.invitation()
        self.invite(invitation)
        self.gateway.status = 200
        self.gateway.forget()
        self.restart()
        self.advance(10)
        self.assertEqual(self.gateway.events, [invitation.event_id])

    def test_what_was_withdrawn_meanwhile_is_not_told(self) -> None:
        self.gateway.status = 500
        self.invite(self.invitation())
        self.alice.post(f"/rooms/{self.far}/forget")
        self.alice.post(f"/rooms/{self.far}/leave")
        self.gateway.status = 200
        self.gateway.forget()
        self.advance(10)
        self.assertEqual(self.gateway.events, [])

    def test_whom_rules_spare(self) -> None:
        self.alice.put("/pushrules/global/override/.m.rule.invite_for_me/enabled", {"enabled": False})
        self.invite(self.invitation())
        self.assertEqual(self.gateway.events, [])

    def test_of_whom_is_ignored(self) -> None:
        """They are told neither by /sync nor here."""
        path = f"/user/{self.alice.user_id}/account_data/m.ignored_user_list"
        self.alice.put(path, {"ignored_users": {ROB: {}}})
        self.invite(self.invitation())
        self.assertEqual(self.gateway.events, [])

    def test_nobody_here_has_pushers(self) -> None:
        self.alice.post("/pushers/set", {**PUSHER, "kind": None})
        self.invite(self.invitation())
        self.assertEqual(self.gateway.requests, [])

    def test_nonsense_of_the_room(self) -> None:
        odd = self.made("m.room.name", {"name": {"not": "text"}}, prev_events=(self.create.event_id,))
        self.invite(self.invitation(), invite_room_state=[self.create.pdu(), odd.pdu()])
        (notification,) = self.gateway.notifications
        self.assertNotIn("room_name", notification)
