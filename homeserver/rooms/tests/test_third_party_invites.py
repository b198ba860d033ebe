from typing import ClassVar

from homeserver.accounts.tests.identity_server import NAME, IdentityServerTestCase
from tests.client import Answer, Json
from tests.wire import WireClient, each

_BOB = {"id_server": NAME, "id_access_token": "id token", "medium": "email", "address": "Bob@Example.org"}
_INVITE = "m.room.third_party_invite"


class ThirdPartyInviteTestCase(IdentityServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob, self.carol = (self.register(name) for name in ("alice", "bob", "carol"))
        self.room_id = self.alice.create_room(name="Tea", members=[self.carol])

    def invite(self, user: WireClient | None = None, **changes: Json) -> Answer:
        return (user or self.alice).post(f"/rooms/{self.room_id}/invite", {**_BOB, **changes})

    def membership(self, user: WireClient) -> str | None:
        answer = self.alice.state(self.room_id, "m.room.member", user.user_id)
        return answer["membership"] if answer.status == 200 else None


class KnownAddressTests(ThirdPartyInviteTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.identity_server.bound = {"bob@example.org": self.bob.user_id}

    def test_its_user_is_invited(self) -> None:
        self.assertEqual(self.invite(reason="tea").json, {})
        content = self.alice.state(self.room_id, "m.room.member", self.bob.user_id).json
        self.assertEqual((content["membership"], content["reason"]), ("invite", "tea"))
        self.assertEqual(self.identity_server.asked, ["GET hash_details", "POST lookup"])
        self.assertEqual(self.bob.join(self.room_id).status, 200)

    def test_identity_servers_that_do_not_hash(self) -> None:
        self.identity_server.algorithms = ["none"]
        self.assertEqual(self.invite().status, 200)
        self.assertEqual(self.membership(self.bob), "invite")

    def test_identity_servers_that_hash_in_unknown_ways(self) -> None:
        self.identity_server.algorithms = ["md5"]
        self.assertEqual(self.invite().error, (502, "M_UNKNOWN"))

    def test_in_a_new_room(self) -> None:
        answer = self.alice.post(
            "/createRoom", {"invite_3pid": [_BOB], "is_direct": True, "preset": "trusted_private_chat"}
        )
        content = self.alice.state(answer["room_id"], "m.room.member", self.bob.user_id).json
        self.assertEqual((content["membership"], content["is_direct"]), ("invite", True))
        create = self.alice.state(answer["room_id"], "m.room.create").json
        self.assertEqual(create["additional_creators"], [self.bob.user_id])

    def test_rules_of_the_room_hold(self) -> None:
        self.alice.ban(self.room_id, self.bob)
        self.assertEqual(self.invite().error, (403, "M_FORBIDDEN"))


class RefusalTests(ThirdPartyInviteTestCase):
    def test_what_is_missing(self) -> None:
        def check(key: str) -> None:
            body = {name: value for name, value in _BOB.items() if name != key}
            answer = self.alice.post(f"/rooms/{self.room_id}/invite", body)
            self.assertEqual(answer.error, (400, "M_MISSING_PARAM"))

        each(check, list(_BOB))
        self.assertEqual(self.identity_server.asked, [])

    def test_what_is_no_address(self) -> None:
        wrong: Json
        for wrong in ({"medium": "pigeon"}, {"address": "bob"}, {"id_server": "a b"}):
            self.assertEqual(self.invite(**wrong).error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.identity_server.asked, [])

    def test_who_may_not_invite_tells_nobody_of_the_address(self) -> None:
        self.assertEqual(self.invite(self.bob).error, (403, "M_FORBIDDEN"))
        levels = self.alice.state(self.room_id, "m.room.power_levels").json
        self.alice.set_state(self.room_id, "m.room.power_levels", {**levels, "invite": 50})
        self.assertEqual(self.invite(self.carol).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.identity_server.asked, [])

    def test_refusals_of_the_identity_server(self) -> None:
        says = self.identity_server.says
        says["hash_details"] = (403, {"errcode": "M_TERMS_NOT_SIGNED", "error": "Sign"})
        self.assertEqual(self.invite().error, (403, "M_TERMS_NOT_SIGNED"))
        # The client must not take this to be about its own session.
        self.assertEqual(self.invite(id_access_token="wrong").status, 403)
        del says["hash_details"]
        self.assertEqual(self.invite(id_access_token="wrong").error, (502, "M_UNKNOWN"))

    def test_nonsense_of_the_identity_server(self) -> None:
        key = {"public_key": "x", "key_validity_url": "x"}

        def check(case: tuple[str, Json]) -> None:
            operation, answer = case
            self.identity_server.says = {operation: (200, answer)}
            self.assertEqual(self.invite().error, (502, "M_UNKNOWN"))

        each(
            check,
            [
                ("hash_details", b"<html>"),
                ("lookup", {"mappings": []}),
                ("store-invite", {"token": "a b", "public_keys": [key], "display_name": "b"}),
                ("store-invite", {"token": "t", "public_keys": [], "display_name": "b"}),
            ],
        )
        self.assertEqual(self.alice.state(self.room_id, _INVITE, "t").status, 404)

    def test_nobody_there(self) -> None:
        self.assertEqual(self.invite(id_server="gone.example").error, (502, "M_UNKNOWN"))

    def test_what_cannot_be_invited_makes_no_room(self) -> None:
        rooms = self.alice.get("/joined_rooms").json
        self.identity_server.says["store-invite"] = (400, {"errcode": "M_UNRECOGNIZED", "error": "No"})
        answer = self.alice.post("/createRoom", {"invite_3pid": [_BOB]})
        self.assertEqual(answer.error, (400, "M_UNRECOGNIZED"))
        self.assertEqual(self.alice.get("/joined_rooms").json, rooms)


class LimitTests(ThirdPartyInviteTestCase):
    settings: ClassVar = ("rc_third_party_invite={per_second: 0.001, burst_count: 1}",)

    def test_limit(self) -> None:
        self.assertEqual(self.invite().status, 200)
        self.assertEqual(self.invite().error, (429, "M_LIMIT_EXCEEDED"))
        self.assertEqual(len(self.identity_server.stored), 1)


class SwitchedOffTests(ThirdPartyInviteTestCase):
    settings: ClassVar = ("enable_3pid_lookup=false",)

    def test_nobody_is_asked(self) -> None:
        self.assertEqual(self.invite().error, (403, "M_THREEPID_DENIED"))
        answer = self.alice.post("/createRoom", {"invite_3pid": [_BOB]})
        self.assertEqual(answer.error, (403, "M_THREEPID_DENIED"))
        self.assertEqual(self.identity_server.asked, [])


class UnknownAddressTests(ThirdPartyInviteTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.assertEqual(self.invite().json, {})

    def signed(self, user: WireClient, token: str = "token1") -> Json:
        return self.identity_server.signed(token, user.user_id, self.alice.user_id)

    def test_a_place_is_kept(self) -> None:
        content = self.alice.state(self.room_id, _INVITE, "token1").json
        self.assertEqual(content["display_name"], "b...@e...")
        self.assertEqual(len(content["public_keys"]), 2)
        first = content["public_keys"][0]
        self.assertEqual({key: content[key] for key in first}, first)
        self.assertNotIn("bob@example.org", str(content))

    def test_what_the_identity_server_is_told(self) -> None:
        (told,) = self.identity_server.stored
        expected = {
            "medium": "email",
            "address": "bob@example.org",
            "room_id": self.room_id,
            "room_name": "Tea",
            "room_join_rules": "invite",
            "sender": self.alice.user_id,
            "sender_display_name": "alice",
        }
        self.assertEqual(told, expected)

    def test_who_reads_the_address_joins(self) -> None:
        self.assertEqual(self.bob.join(self.room_id, third_party_signed=self.signed(self.bob)).status, 200)
        self.assertEqual(self.membership(self.bob), "join")
        events = [
            event["content"]
            for event in self.alice.messages(self.room_id)["chunk"]
            if event.get("state_key") == self.bob.user_id
        ]
        self.assertEqual([content["membership"] for content in events], ["join", "invite"])
        self.assertEqual(events[1]["third_party_invite"]["display_name"], "b...@e...")
        # Clients that repeat it are already there.
        self.assertEqual(self.bob.join(self.room_id, third_party_signed=self.signed(self.bob)).status, 200)

    def test_by_its_alias(self) -> None:
        self.alice.put("/directory/room/%23tea:test", {"room_id": self.room_id})
        body = {"third_party_signed": self.signed(self.bob)}
        self.assertEqual(self.bob.post("/join/%23tea:test", body).status, 200)

    def test_what_is_no_proof(self) -> None:
        mallory = self.register("mallory")
        good = self.signed(mallory)

        def check(proof: Json) -> None:
            answer = mallory.join(self.room_id, third_party_signed=proof)
            self.assertEqual(answer.error, (403, "M_FORBIDDEN"))

        each(
            check,
            [
                self.signed(self.bob),
                self.signed(mallory, "token2"),
                {**good, "sender": self.carol.user_id},
                {**good, "signatures": {}},
                {**good, "signatures": {NAME: {"ed25519:2": "A" * 86}}},
            ],
        )
        self.assertIsNone(self.membership(mallory))

    def test_malformed_proofs(self) -> None:
        good = self.signed(self.bob)
        for wrong in ({**good, "sender": "alice"}, {**good, "token": 5}, {}):
            self.assertEqual(self.bob.join(self.room_id, third_party_signed=wrong).status, 400)

    def test_revoked(self) -> None:
        self.alice.set_state(self.room_id, _INVITE, {}, "token1")
        answer = self.bob.join(self.room_id, third_party_signed=self.signed(self.bob))
        self.assertEqual(answer.error, (403, "M_FORBIDDEN"))

    def test_in_a_new_room(self) -> None:
        self.room_id = self.alice.create_room(invite_3pid=[_BOB], name="Biscuits")
        told = self.identity_server.stored[-1]
        self.assertEqual((told["room_id"], told["room_name"]), (self.room_id, "Biscuits"))
        proof = self.signed(self.bob, "token2")
        self.assertEqual(self.bob.join(self.room_id, third_party_signed=proof).status, 200)
