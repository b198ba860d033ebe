from tests.wire import SERVER_NAME, WireClient, WireTestCase

_PATH = "/admin/whois"


class WhoisTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.admin, self.alice = self.register_admin("admin"), self.register("alice")

    def test_where_devices_were_seen(self) -> None:
        self.alice.request("GET", "/account/whoami", headers={"User-Agent": "a client"})
        now = int(self.reactor.seconds() * 1000)
        unused = self.log_in(self.alice, "UNUSED")
        for _ in range(2):
            answer = self.admin.get(f"{_PATH}/{self.alice.user_id}")
            self.assertEqual(answer["user_id"], self.alice.user_id)
            (session,) = answer["devices"][self.alice.device_id]["sessions"]
            (connection,) = session["connections"]
            self.assertEqual((connection["last_seen"], connection["user_agent"]), (now, "a client"))
            self.assertEqual(answer["devices"][unused.device_id], {"sessions": []})
            # The second time it is read from the database.
            self.restart()

    def test_who_may_ask(self) -> None:
        def ask(client: WireClient, user_id: str) -> tuple[int, str | None]:
            answer = client.get(f"{_PATH}/{user_id}")
            return answer.status, answer.json.get("errcode")

        self.assertEqual(ask(self.alice, self.alice.user_id), (200, None))
        for user_id in (self.admin.user_id, f"@nobody:{SERVER_NAME}", "@x:elsewhere"):
            self.assertEqual(ask(self.alice, user_id), (403, "M_FORBIDDEN"))
        self.assertEqual(ask(self.admin, f"@nobody:{SERVER_NAME}"), (404, "M_NOT_FOUND"))
        self.assertEqual(ask(self.admin, "@x:elsewhere"), (400, "M_INVALID_PARAM"))
