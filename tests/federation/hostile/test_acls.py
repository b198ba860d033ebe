"""Servers that a room denies, and the ways in which they may come back."""

from typing import Any

from tests.federation.hostile.liar import LiarTestCase
from tests.wire import WireServer, each


class AclTests(LiarTestCase):
    """Eve's server, by whatever name, is not to say anything."""

    def acl(self, **acl: Any) -> None:
        self.alice.set_state(self.room_id, "m.room.server_acl", {"allow": ["*"], **acl})

    def is_let_in(self, name: str) -> bool:
        server: WireServer = self.other_server(name)
        user_id = f"@eve:{name}"
        path = f"/_matrix/federation/v1/make_join/{self.room_id}/{user_id}"
        answer = server.request("GET", path, query={"ver": self.room_version})
        denied = server.request(
            "GET", f"/_matrix/federation/v1/state_ids/{self.room_id}", query={"event_id": "$x"}
        )
        self.assertNotEqual(denied.status, 200)
        return answer.status == 200

    def test_names(self) -> None:
        self.acl(deny=["eve.example", "*.eve.example"])

        def check(name: str) -> None:
            self.assertFalse(self.is_let_in(name))

        each(
            check,
            [
                "eve.example",
                "EVE.example",
                "eve.EXAMPLE",
                "eve.example:8448",
                "eve.example:1",
                "eve.example:65535",
                "a.eve.example",
                "A.b.Eve.example:443",
            ],
        )
        self.assertTrue(self.is_let_in("adam.example"))
        self.goes_on()

    def test_addresses(self) -> None:
        self.acl(allow_ip_literals=False)

        def check(name: str) -> None:
            self.assertFalse(self.is_let_in(name))

        each(
            check, ["1.2.3.4", "1.2.3.4:8448", "[::1]", "[::1]:8448", "[1234:5678::abcd]", "[::ffff:1.2.3.4]"]
        )
        self.assertTrue(self.is_let_in("1.2.3.4.example"))
        self.goes_on()

    def test_patterns(self) -> None:
        def check(deny: Any) -> None:
            self.acl(deny=deny)
            self.assertFalse(self.is_let_in("eve.example"))

        each(check, [["e?e.example"], ["*.example"], ["EVE.*"], ["*"], [1, None, "eve.example"]])

    def test_lists_of_no_use_let_nobody_in(self) -> None:
        def check(allow: Any) -> None:
            self.acl(allow=allow)
            self.assertFalse(self.is_let_in("eve.example"))

        each(check, [[], None, "*", {"*": True}, [["*"]], [1]])

    def test_what_was_sent_before(self) -> None:
        """Neither its events nor its EDUs come in any more, and other rooms go on."""
        said = self.said("said")
        typing = {
            "edu_type": "m.typing",
            "content": {"room_id": self.room_id, "user_id": "@rob:remote.example", "typing": True},
        }
        self.acl(deny=["remote.example"])
        self.send(said, edus=[typing])
        self.hides(said)
        joined = self.alice.sync().json["rooms"]["join"][self.room_id]
        self.assertEqual(joined["ephemeral"]["events"], [])
        self.room_id = self.other_id
        self.goes_on()
