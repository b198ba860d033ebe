from federation.transport import Call, Transport
from homeserver.accounts.tests.identity_server import NAME, IdentityServerTestCase
from homeserver.http.outbound import Response
from tests.client import Answer, Json
from tests.wire import WireClient, each

_PATH = "/_matrix/federation/v1/3pid/onbind"
_ADDRESS = {"medium": "email", "address": "bob@example.org"}


class OnBindTests(IdentityServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.invited_room()

    def invited_room(self) -> str:
        """One to which the address is invited."""
        invited = {"id_server": NAME, "id_access_token": "id token", **_ADDRESS}
        return self.alice.create_room(invite_3pid=[invited])

    def pending(self, user: WireClient, token: str = "token1", **changes: Json) -> Json:
        signed = self.identity_server.signed(token, user.user_id, self.alice.user_id)
        return {
            **_ADDRESS,
            "mxid": user.user_id,
            "room_id": self.room_id,
            "sender": self.alice.user_id,
            "signed": signed,
            **changes,
        }

    def told(self, *invites: Json, user_id: str | None = None, method: str = "PUT") -> Answer:
        """The identity server tells that the address belongs to a user, Bob unless said."""
        body = {**_ADDRESS, "mxid": user_id or self.bob.user_id, "invites": list(invites)}
        return self.anonymous.request(method, _PATH, body)

    def test_the_user_is_invited(self) -> None:
        for method in ("PUT", "POST", "PUT"):
            self.assertEqual(self.told(self.pending(self.bob), method=method).json, {})
        invited = self.bob.sync().room(self.room_id, "invite")["invite_state"]["events"]
        self.assertIn(self.bob.user_id, [event["state_key"] for event in invited])
        self.assertEqual(self.bob.join(self.room_id).status, 200)
        # Told once more, it takes nobody out of the room.
        self.told(self.pending(self.bob))
        self.assertEqual(self.bob.get("/joined_rooms")["joined_rooms"], [self.room_id])

    def test_what_is_not_signed_invites_nobody(self) -> None:
        mallory = self.register("mallory")

        def check(invite: Json) -> None:
            self.assertEqual(self.told(invite, user_id=mallory.user_id).json, {})
            self.assertIsNone(mallory.sync().room(self.room_id, "invite"))

        each(
            check,
            [
                self.pending(self.bob),
                self.pending(mallory, signed={"mxid": mallory.user_id, "token": "token1"}),
                self.pending(mallory, "token9"),
                self.pending(mallory, sender=self.bob.user_id),
                self.pending(mallory, room_id="nowhere"),
                self.pending(mallory, room_id="!nowhere:test"),
            ],
        )

    def test_one_that_fails_does_not_keep_from_the_others(self) -> None:
        other = self.invited_room()
        wrong, right = self.pending(self.bob, "token9"), self.pending(self.bob, "token2", room_id=other)
        self.assertEqual(self.told(wrong, right).status, 200)
        self.assertEqual(list(self.bob.sync().json["rooms"]["invite"]), [other])

    def test_for_nobody(self) -> None:
        for user_id in ("@nobody:test", "@bob:elsewhere.example"):
            self.assertEqual(self.told(user_id=user_id).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.told(user_id="bob").error, (400, "M_INVALID_PARAM"))

    def test_too_many(self) -> None:
        self.assertEqual(self.told(*[self.pending(self.bob)] * 101).error, (400, "M_BAD_JSON"))

    def test_invitations_of_other_servers(self) -> None:
        asked: list[tuple[str, Call]] = []

        async def send(_: Transport, destination: str, call: Call) -> Response:
            asked.append((destination, call))
            return Response(200, {}, b"{}")

        self.patch(Transport, "send", send)
        self.told(self.pending(self.bob, sender="@carol:other.example", room_id="!tea:other.example"))
        ((destination, call),) = asked
        self.assertEqual(destination, "other.example")
        self.assertEqual(
            call.path, "/_matrix/federation/v1/exchange_third_party_invite/%21tea%3Aother.example"
        )
        event = call.content or {}
        self.assertEqual(event["sender"], "@carol:other.example")
        self.assertEqual((event["state_key"], event["content"]["membership"]), (self.bob.user_id, "invite"))
        self.assertEqual(event["content"]["third_party_invite"]["signed"]["token"], "token1")
