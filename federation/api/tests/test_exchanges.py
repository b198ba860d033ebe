"""Somebody elsewhere turns out to have been invited by an address."""

from collections.abc import Sequence
from unittest.mock import patch

from federation.client.membership import MembershipCalls
from homeserver.accounts.tests.identity_server import NAME, IdentityServerTestCase
from homeserver.protocol.event_signatures import sign_event
from homeserver.protocol.events import parse_pdu
from homeserver.protocol.identifiers import EventID, RoomID, ServerName
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.signing import EventSigner
from tests.client import Answer, Json

_PATH = "/_matrix/federation/v1/exchange_third_party_invite"
ROB = "@rob:remote.example"


class ExchangeTests(IdentityServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.remote = self.register("alice"), self.other_server()
        address = {"medium": "email", "address": "rob@example.org"}
        self.room_id = self.alice.create_room(
            invite_3pid=[{"id_server": NAME, "id_access_token": "id token", **address}]
        )
        self.invited: list[JsonObject] = []
        patched = patch.object(MembershipCalls, "invite", self.invite)
        patched.start()
        self.addCleanup(patched.stop)

    async def invite(
        self,
        destination: ServerName,
        room_id: RoomID,
        event_id: EventID,
        version: RoomVersion,
        event: JsonObject,
        invite_room_state: Sequence[JsonObject],
    ) -> JsonObject:
        """As the other server signs it."""
        self.invited.append(event)
        return sign_event(parse_pdu(event, version), EventSigner(destination, self.remote.key)).pdu()

    def exchange(self, **changes: Json) -> Answer:
        signed = self.identity_server.signed("token1", ROB, self.alice.user_id)
        body: Json = {
            "type": "m.room.member",
            "room_id": self.room_id,
            "sender": self.alice.user_id,
            "state_key": ROB,
            "content": {
                "membership": "invite",
                "third_party_invite": {"display_name": "rob", "signed": signed},
            },
            **changes,
        }
        return self.remote.put(f"{_PATH}/{self.room_id}", body)

    def test_the_user_is_invited(self) -> None:
        self.assertEqual(self.exchange().json, {})
        (event,) = self.invited
        self.assertEqual(event["content"]["third_party_invite"]["signed"]["mxid"], ROB)
        member = self.alice.state(self.room_id, "m.room.member", ROB)
        self.assertEqual(member["membership"], "invite")

    def test_who_may_not(self) -> None:
        signed = self.identity_server.signed("token9", ROB, self.alice.user_id)
        unknown = {"membership": "invite", "third_party_invite": {"display_name": "", "signed": signed}}
        wrong: list[Json] = [
            {"content": unknown},
            {"state_key": "@other:remote.example"},
            {"state_key": "@rob:elsewhere.example"},
            {"sender": "@carol:elsewhere.example"},
        ]
        for changes in wrong:
            self.assertEqual(self.exchange(**changes).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.invited, [])

    def test_what_is_no_invitation(self) -> None:
        wrong: list[Json] = [{"room_id": "!other:test"}, {"sender": "nobody"}]
        for changes in wrong:
            self.assertEqual(self.exchange(**changes).error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.exchange(type="m.room.name").status, 400)

    def test_servers_that_the_room_denies(self) -> None:
        self.alice.set_state(self.room_id, "m.room.server_acl", {"allow": ["test"]})
        self.assertEqual(self.exchange().error, (403, "M_FORBIDDEN"))
