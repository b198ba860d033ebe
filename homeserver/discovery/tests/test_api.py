"""Where the server says what it is, at the wire.

https://spec.matrix.org/v1.19/client-server-api/#server-discovery
"""

from tests.wire import WireTestCase


class UnnamedTests(WireTestCase):
    """The operator did not say where the server is reached."""

    def test_versions_need_no_token(self) -> None:
        versions = self.anonymous.get("/_matrix/client/versions")["versions"]
        self.assertIn("v1.1", versions)
        self.assertEqual(self.register("alice").get("/_matrix/client/versions")["versions"], versions)

    def test_nothing_is_known(self) -> None:
        for path in ("/.well-known/matrix/client", "/.well-known/matrix/server"):
            self.assertEqual(self.anonymous.get(path).error, (404, "M_NOT_FOUND"))

    def test_what_this_server_is_not(self) -> None:
        """Neither an authorisation server (OAuth 2.0), nor a policy server."""
        for path in (
            "/_matrix/client/v1/auth_metadata",
            "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
            "/.well-known/matrix/policy_server",
        ):
            self.assertEqual(self.anonymous.get(path).error, (404, "M_UNRECOGNIZED"))

    def test_capabilities_are_for_users(self) -> None:
        self.assertEqual(self.anonymous.get("/capabilities").error, (401, "M_MISSING_TOKEN"))
        capabilities = self.register("alice").get("/capabilities")["capabilities"]
        versions = capabilities["m.room_versions"]
        self.assertIn(versions["default"], versions["available"])
        self.assertTrue(capabilities["m.change_password"]["enabled"])

    def test_capabilities_of_administrators(self) -> None:
        self.assertNotIn("m.account_moderation", self.register("bob").get("/capabilities")["capabilities"])
        capabilities = self.register_admin("admin").get("/capabilities")["capabilities"]
        self.assertEqual(capabilities["m.account_moderation"], {"suspend": True, "lock": True})

    def test_every_room_version_that_is_told_can_be_made(self) -> None:
        alice = self.register("alice")
        available = alice.get("/capabilities")["capabilities"]["m.room_versions"]["available"]
        for version in available:
            room_id = alice.create_room(room_version=version)
            create = alice.state(room_id, "m.room.create")
            self.assertEqual(create["room_version"], version)


class NamedTests(WireTestCase):
    settings = ("public_baseurl=https://matrix.example.org/", "serve_server_wellknown=true")

    def test_clients_find_it(self) -> None:
        found = self.anonymous.get("/.well-known/matrix/client")
        self.assertEqual(found["m.homeserver"], {"base_url": "https://matrix.example.org/"})
        self.assertEqual(found.headers["access-control-allow-origin"], "*")

    def test_servers_find_it(self) -> None:
        self.assertEqual(self.anonymous.get("/.well-known/matrix/server").json, {"m.server": "test:443"})
