from collections.abc import Sequence
from typing import ClassVar

from tests.client import Answer, Json
from tests.wire import PASSWORD, WireTestCase

_GET_TOKEN = "/_matrix/client/v1/login/get_token"


class LoginTokenTestCase(WireTestCase):
    settings: ClassVar[Sequence[str]] = ("login_via_existing_session={enabled: true, token_timeout: 2m}",)

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.register("alice")

    def auth(self, **fields: Json) -> Json:
        identifier = {"type": "m.id.user", "user": self.alice.user_id}
        return {"type": "m.login.password", "identifier": identifier, "password": PASSWORD, **fields}

    def token(self) -> str:
        token: str = self.alice.post(_GET_TOKEN, {"auth": self.auth()})["login_token"]
        return token

    def log_in_with(self, token: Json) -> Answer:
        return self.anonymous.post("/login", {"type": "m.login.token", "token": token})


class LoginTokenTests(LoginTokenTestCase):
    def test_it_takes_the_password(self) -> None:
        answer = self.alice.post(_GET_TOKEN)
        self.assertEqual(answer.json["flows"], [{"stages": ["m.login.password"]}])
        answer = self.alice.post(_GET_TOKEN, {"auth": self.auth(session=answer.json["session"])})
        self.assertEqual(answer["expires_in_ms"], 120_000)

    def test_the_flow_is_told(self) -> None:
        flows = self.anonymous.get("/login")["flows"]
        self.assertIn({"type": "m.login.token", "get_login_token": True}, flows)
        capabilities = self.alice.get("/capabilities")["capabilities"]
        self.assertEqual(capabilities["m.get_login_token"], {"enabled": True})

    def test_it_logs_in_once(self) -> None:
        token = self.token()
        answer = self.log_in_with(token)
        self.assertEqual(answer["user_id"], self.alice.user_id)
        self.assertNotEqual(answer["device_id"], self.alice.device_id)
        self.assertEqual(self.alice.get("/account/whoami").status, 200)
        self.assertEqual(self.log_in_with(token).error, (403, "M_FORBIDDEN"))

    def test_it_expires(self) -> None:
        token = self.token()
        self.advance(120)
        self.assertEqual(self.log_in_with(token).error, (403, "M_FORBIDDEN"))
        self.advance(3600)
        self.assertEqual(self.count("account_short_lived_token"), 0)

    def test_what_is_no_token(self) -> None:
        for token in ("nonsense", "", self.alice.access_token):
            self.assertEqual(self.log_in_with(token).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.log_in_with(None).error, (400, "M_MISSING_PARAM"))
        self.assertEqual(self.log_in_with(5).error, (400, "M_BAD_JSON"))

    def test_it_is_no_openid_token(self) -> None:
        path = f"/user/{self.alice.user_id}/openid/request_token"
        self.assertEqual(self.log_in_with(self.alice.post(path)["access_token"]).error, (403, "M_FORBIDDEN"))


class WithoutReauthenticationTests(LoginTokenTestCase):
    settings = ("login_via_existing_session={enabled: true, require_ui_auth: false}",)

    def test_at_once(self) -> None:
        self.assertEqual(self.log_in_with(self.alice.post(_GET_TOKEN)["login_token"]).status, 200)


class WithoutLoginTokensTests(LoginTokenTestCase):
    settings = ()

    def test_none_are_given(self) -> None:
        self.assertEqual(self.alice.post(_GET_TOKEN).error, (400, "M_UNKNOWN"))
        self.assertEqual(self.log_in_with("x").error, (400, "M_UNKNOWN"))
        types = [flow["type"] for flow in self.anonymous.get("/login")["flows"]]
        self.assertEqual(types, ["m.login.password", "m.login.application_service"])
        capabilities = self.alice.get("/capabilities")["capabilities"]
        self.assertEqual(capabilities["m.get_login_token"], {"enabled": False})
