"""What accounts do together with the rest of the house."""

from tests.wire import WireClient, WireTestCase


class ProfileTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob])

    def shown(self, user: WireClient) -> dict[str, str]:
        """How the room shows a user."""
        content: dict[str, str] = self.bob.get(
            f"/rooms/{self.room_id}/state/m.room.member/{user.user_id}"
        ).json
        return content

    def test_members_begin_with_their_profiles(self) -> None:
        for user, name in ((self.alice, "alice"), (self.bob, "bob")):
            self.assertEqual(self.shown(user)["displayname"], name)

    def test_changes_reach_the_rooms(self) -> None:
        since = self.bob.sync().next_batch
        path = f"/profile/{self.alice.user_id}"
        self.assertEqual(self.alice.put(f"{path}/displayname", {"displayname": "Alice"}).status, 200)
        self.assertEqual(self.alice.put(f"{path}/avatar_url", {"avatar_url": "mxc://test/a"}).status, 200)
        expected = {"membership": "join", "displayname": "Alice", "avatar_url": "mxc://test/a"}
        self.assertEqual(self.shown(self.alice), expected)
        events = self.bob.sync(since).timeline(self.room_id)
        self.assertEqual([event["type"] for event in events], ["m.room.member"] * 2)
        self.alice.delete(f"{path}/displayname")
        self.assertNotIn("displayname", self.shown(self.alice))


class SessionTests(WireTestCase):
    def test_new_device_has_transactions_of_its_own(self) -> None:
        alice = self.register("alice")
        room_id = alice.create_room()
        event_ids = set()
        for _ in range(2):
            login = {
                "type": "m.login.password",
                "identifier": {"type": "m.id.user", "user": "alice"},
                "password": "correct horse",
                "device_id": "PHONE",
            }
            phone = WireClient(self.site, alice.user_id, self.anonymous.post("/login", login)["access_token"])
            event_ids.add(phone.send(room_id, "hello"))
            phone.post("/logout")
        self.assertEqual(len(event_ids), 2)


class RefreshTests(WireTestCase):
    def test_a_stolen_refresh_token_ends_the_session(self) -> None:
        alice = self.register("alice")
        login = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": "correct horse",
            "refresh_token": True,
        }
        first = self.anonymous.post("/login", login).json
        stolen = {"refresh_token": first["refresh_token"]}
        second = self.anonymous.post("/refresh", stolen).json
        phone = WireClient(self.site, alice.user_id, second["access_token"])
        newest = {"refresh_token": second["refresh_token"]}
        self.assertEqual(phone.get("/account/whoami").status, 200)
        self.restart()
        answer = self.anonymous.post("/refresh", stolen)
        self.assertEqual((answer.error, answer.json["soft_logout"]), ((401, "M_UNKNOWN_TOKEN"), True))
        for ended in (phone.get("/account/whoami"), self.anonymous.post("/refresh", newest)):
            self.assertEqual((ended.error, ended.json["soft_logout"]), ((401, "M_UNKNOWN_TOKEN"), True))
        self.assertEqual(alice.get("/account/whoami").status, 200)


class FailureTests(WireTestCase):
    settings = ("rc_login.failed_attempts={per_second: 0.1, burst_count: 1}",)

    def test_guessing_is_slowed_down(self) -> None:
        self.register("alice")
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": "wrong",
        }
        self.assertEqual(self.anonymous.post("/login", body).error, (403, "M_FORBIDDEN"))
        answer = self.anonymous.post("/login", body)
        self.assertEqual(answer.error, (429, "M_LIMIT_EXCEEDED"))
        self.assertEqual((answer.json["retry_after_ms"], answer.headers["retry-after"]), (10_001, "11"))
