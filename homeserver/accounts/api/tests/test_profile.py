from config.rate_limits import RateLimit, RateLimits
from homeserver.accounts.tests.serving import AccountsTestCase, Reply
from homeserver.protocol.json import JsonValue


class ProfileTestCase(AccountsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.create("alice")
        self.create("bob")
        self.token = self.login("alice")["access_token"]
        self.bob = self.login("bob")["access_token"]

    def profile(self) -> JsonValue:
        return self.request("GET", f"/profile/{self.alice}").json

    def put(self, key: str, value: JsonValue) -> Reply:
        return self.request("PUT", f"/profile/{self.alice}/{key}", {key: value}, token=self.token)


class ReadingTests(ProfileTestCase):
    def test_anybody_may(self) -> None:
        for token in (None, self.bob):
            reply = self.request("GET", f"/profile/{self.alice}", token=token)
            self.assertEqual((reply.status, reply.json), (200, {"displayname": "alice"}))

    def test_one_field(self) -> None:
        reply = self.request("GET", f"/profile/{self.alice}/displayname")
        self.assertEqual((reply.status, reply.json), (200, {"displayname": "alice"}))

    def test_refused(self) -> None:
        for path, error in (
            ("@nobody:test", (404, "M_NOT_FOUND")),
            ("@alice:elsewhere", (404, "M_NOT_FOUND")),
            ("alice", (400, "M_INVALID_PARAM")),
            (f"{self.alice}/avatar_url", (404, "M_NOT_FOUND")),
            (f"{self.alice}/m.tz", (404, "M_NOT_FOUND")),
            (f"{self.alice}/Nonsense", (400, "M_INVALID_PARAM")),
            ("@nobody:test/displayname", (404, "M_NOT_FOUND")),
        ):
            self.assertEqual(self.request("GET", f"/profile/{path}").error, error, path)


class ChangingTests(ProfileTestCase):
    def test_fields_of_every_kind(self) -> None:
        fields = {
            "displayname": "Alice",
            "avatar_url": "mxc://test/picture",
            "m.tz": "Europe/Berlin",
            "org.example.pronouns": [{"language": "en", "summary": "she"}],
            "org.example.nothing": None,
        }
        for key, value in fields.items():
            reply = self.put(key, value)
            self.assertEqual((reply.status, reply.json), (200, {}))
        self.assertEqual(self.profile(), fields)
        for key, value in fields.items():
            self.assertEqual(self.request("GET", f"/profile/{self.alice}/{key}").json, {key: value})

    def test_rooms_are_told_of_names_and_pictures_only(self) -> None:
        for key in ("displayname", "avatar_url", "m.tz"):
            self.put(key, "something")
        self.assertEqual(self.told.changes, 2)

    def test_removing(self) -> None:
        for key in ("displayname", "avatar_url", "m.tz"):
            self.put(key, "something")
        for key in ("displayname", "avatar_url", "m.tz", "never.set"):
            reply = self.request("DELETE", f"/profile/{self.alice}/{key}", token=self.token)
            self.assertEqual((reply.status, reply.json), (200, {}))
        self.assertEqual(self.profile(), {})
        self.assertEqual(self.told.changes, 4)

    def test_empty_text_removes_too(self) -> None:
        self.put("displayname", "")
        self.assertEqual(self.profile(), {})

    def test_survives_a_restart(self) -> None:
        self.put("m.tz", "Europe/Berlin")
        self.build()
        self.assertEqual(self.profile(), {"displayname": "alice", "m.tz": "Europe/Berlin"})

    def test_refused(self) -> None:
        for key, body, error in (
            ("displayname", {}, "M_MISSING_PARAM"),
            ("displayname", {"displayname": 1}, "M_INVALID_PARAM"),
            ("displayname", {"displayname": None}, "M_INVALID_PARAM"),
            ("displayname", {"displayname": "x" * 257}, "M_INVALID_PARAM"),
            ("displayname", {"displayname": "a\0b"}, "M_INVALID_PARAM"),
            ("avatar_url", {"avatar_url": "x" * 1001}, "M_INVALID_PARAM"),
            ("Nonsense", {"Nonsense": 1}, "M_INVALID_PARAM"),
            ("x" * 256, {"x" * 256: 1}, "M_KEY_TOO_LARGE"),
            ("m.big", {"m.big": "x" * 65_536}, "M_PROFILE_TOO_LARGE"),
            ("displayname", [], "M_BAD_JSON"),
            ("displayname", b"{", "M_NOT_JSON"),
        ):
            reply = self.request("PUT", f"/profile/{self.alice}/{key}", body, token=self.token)
            self.assertEqual(reply.error, (400, error), key)
        self.assertEqual(self.profile(), {"displayname": "alice"})
        self.assertEqual(self.told.changes, 0)

    def test_small_fields_add_up(self) -> None:
        statuses = [self.put(f"m.field{n}", "x" * 20_000).status for n in range(4)]
        self.assertEqual(statuses, [200, 200, 200, 400])

    def test_only_ones_own(self) -> None:
        path = f"/profile/{self.alice}/displayname"
        for method in ("PUT", "DELETE"):
            body = {"displayname": "x"}
            self.assertEqual(self.request(method, path, body, token=self.bob).error, (403, "M_FORBIDDEN"))
            self.assertEqual(self.request(method, path, body).error, (401, "M_MISSING_TOKEN"))
            self.assertEqual(self.request(method, path, body, token="x").error, (401, "M_UNKNOWN_TOKEN"))


class LimitTests(ProfileTestCase):
    rate_limits = RateLimits(profile=RateLimit(per_second=1, burst=2))

    def test_lookups_count(self) -> None:
        replies = [self.request("GET", f"/profile/{self.alice}", token=self.bob) for _ in range(3)]
        self.assertEqual([reply.status for reply in replies], [200, 200, 429])
        self.assertEqual(replies[2].json["retry_after_ms"], 1001)
