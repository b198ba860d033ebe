from tests.wire import SERVER_NAME, WireTestCase

_USERINFO = "/_matrix/federation/v1/openid/userinfo"


class OpenIdTests(WireTestCase):
    settings = ("listeners=[{port: 8008, type: http, resources: [{names: [client, openid]}]}]",)

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")

    def token(self) -> str:
        path = f"/user/{self.alice.user_id}/openid/request_token"
        token: str = self.alice.post(path)["access_token"]
        return token

    def test_what_is_given(self) -> None:
        answer = self.alice.post(f"/user/{self.alice.user_id}/openid/request_token")
        self.assertEqual(answer.status, 200)
        expected = {"token_type": "Bearer", "matrix_server_name": SERVER_NAME, "expires_in": 3600}
        self.assertEqual({key: answer.json[key] for key in expected}, expected)

    def test_services_learn_whose_it_is(self) -> None:
        token = self.token()
        for _ in range(2):
            answer = self.anonymous.get(_USERINFO, access_token=token)
            self.assertEqual((answer.status, answer.json), (200, {"sub": self.alice.user_id}))

    def test_it_is_good_for_nothing_else(self) -> None:
        self.alice.access_token = self.token()
        self.assertEqual(self.alice.get("/account/whoami").error, (401, "M_UNKNOWN_TOKEN"))

    def test_nor_is_an_access_token_good_for_this(self) -> None:
        answer = self.anonymous.get(_USERINFO, access_token=self.alice.access_token)
        self.assertEqual(answer.error, (401, "M_UNKNOWN_TOKEN"))
        self.assertEqual(self.anonymous.get(_USERINFO).error, (401, "M_UNKNOWN_TOKEN"))

    def test_only_for_oneself(self) -> None:
        answer = self.bob.post(f"/user/{self.alice.user_id}/openid/request_token")
        self.assertEqual(answer.error, (403, "M_FORBIDDEN"))

    def test_it_expires_and_is_forgotten(self) -> None:
        token = self.token()
        self.advance(3599)
        self.assertEqual(self.anonymous.get(_USERINFO, access_token=token).status, 200)
        self.assertEqual(self.count("account_short_lived_token"), 1)
        self.advance(1)
        answer = self.anonymous.get(_USERINFO, access_token=token)
        self.assertEqual(answer.error, (401, "M_UNKNOWN_TOKEN"))
        self.assertEqual(self.count("account_short_lived_token"), 0)

    def test_it_ends_with_the_account(self) -> None:
        token = self.token()
        password = {"type": "m.login.password", "password": "correct horse"}
        identifier = {"type": "m.id.user", "user": self.alice.user_id}
        self.alice.post("/account/deactivate", {"auth": {**password, "identifier": identifier}})
        answer = self.anonymous.get(_USERINFO, access_token=token)
        self.assertEqual(answer.error, (401, "M_UNKNOWN_TOKEN"))
