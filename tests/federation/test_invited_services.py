"""Users of services are invited to rooms of other servers."""

from typing import Any

from appservices.tests.serving import Ghost, ListeningTestCase
from federation.incoming.tests.test_invites import InviteTestCase
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import UserID


class ElsewhereTests(ListeningTestCase, InviteTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.bob: Ghost = self.ghost("bob")
        self.listener.transactions.clear()

    def membership(self, membership: str, **changes: Any) -> Event:
        return self.made("m.room.member", {"membership": membership}, self.bob.user_id, **changes)

    def test_an_invitation(self) -> None:
        invitation = self.membership("invite")
        self.assertEqual(self.invite(invitation).status, 200)
        (told,) = self.listener.events
        self.assertEqual(
            (told["event_id"], told["room_id"], told["state_key"]),
            (invitation.event_id, self.far, self.bob.user_id),
        )
        self.assertEqual(told["content"], {"membership": "invite"})
        types = [one["type"] for one in told["unsigned"]["invite_room_state"]]
        self.assertEqual(types, ["m.room.create", "m.room.name"])
        self.assertEqual(self.count("appservice_event"), 0)

    def test_of_others(self) -> None:
        self.assertEqual(self.invite(self.invitation()).status, 200)
        self.assertEqual(self.listener.transactions, [])

    def test_taken_back(self) -> None:
        invitation = self.membership("invite")
        self.invite(invitation)
        self.send(self.membership("leave", auth_events=(invitation.event_id,)))
        memberships = [one["content"]["membership"] for one in self.listener.events]
        self.assertEqual(memberships, ["invite", "leave"])
        self.assertNotIn("invite_room_state", self.listener.events[-1]["unsigned"])

    def test_taken_back_before_it_was_told(self) -> None:
        self.listener.status = 500
        self.alice.create_room(members=[])
        self.bob.create_room()
        invitation = self.membership("invite")
        self.invite(invitation)
        self.send(self.membership("leave", auth_events=(invitation.event_id,)))
        self.listener.status = 200
        self.listener.transactions.clear()
        self.reactor.pump([1] * 20)
        far = [one for one in self.listener.events if one["room_id"] == self.far]
        self.assertEqual([one["content"]["membership"] for one in far], ["leave"])

    def test_it_waits_over_a_restart(self) -> None:
        self.listener.status = 500
        self.invite(self.membership("invite", sender=UserID("@rob:remote.example")))
        self.restart()
        self.listener.status = 200
        self.listener.transactions.clear()
        self.reactor.pump([1] * 10)
        self.assertEqual([one["room_id"] for one in self.listener.events], [self.far])
