from config.passwords import PasswordPolicy, Passwords
from homeserver.accounts.tests.serving import AccountsTestCase, Reply, password_login
from homeserver.protocol.json import JsonObject, JsonValue

_NEW = "a new password"


class AccountTestCase(AccountsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.create("alice")
        self.phone, self.laptop = (self.login("alice")["access_token"] for _ in range(2))

    def with_password(self, path: str, **body: JsonValue) -> Reply:
        """Goes through interactive authentication as a client does."""
        first = self.request("POST", path, body, token=self.phone)
        self.assertEqual(first.status, 401, first.json)
        self.assertEqual(first.json["flows"], [{"stages": ["m.login.password"]}])
        auth = password_login("alice") | {"session": first.json["session"]}
        return self.request("POST", path, body | {"auth": auth}, token=self.phone)

    def alive(self, token: str) -> bool:
        return self.request("GET", "/account/whoami", token=token).status == 200


class PasswordChangeTests(AccountTestCase):
    def test_new_password_counts(self) -> None:
        reply = self.with_password("/account/password", new_password=_NEW)
        self.assertEqual((reply.status, reply.json), (200, {}))
        self.assertEqual(self.request("POST", "/login", password_login("alice")).status, 403)
        self.assertEqual(self.request("POST", "/login", password_login("alice", _NEW)).status, 200)

    def test_other_sessions_end(self) -> None:
        self.with_password("/account/password", new_password=_NEW)
        self.assertEqual((self.alive(self.phone), self.alive(self.laptop)), (True, False))

    def test_other_sessions_may_go_on(self) -> None:
        self.with_password("/account/password", new_password=_NEW, logout_devices=False)
        self.assertEqual((self.alive(self.phone), self.alive(self.laptop)), (True, True))

    def test_session_is_good_for_one_password(self) -> None:
        first = self.request("POST", "/account/password", {"new_password": _NEW}, token=self.phone)
        auth = password_login("alice") | {"session": first.json["session"]}
        body = {"new_password": "another", "auth": auth}
        reply = self.request("POST", "/account/password", body, token=self.phone)
        self.assertEqual(reply.error, (403, "M_FORBIDDEN"))

    def test_bad_requests(self) -> None:
        for body, error in (
            (b"{", "M_NOT_JSON"),
            ({}, "M_MISSING_PARAM"),
            ({"new_password": 1}, "M_BAD_JSON"),
            ({"new_password": ""}, "M_INVALID_PARAM"),
            ({"new_password": "x" * 513}, "M_INVALID_PARAM"),
            ({"new_password": _NEW, "logout_devices": "no"}, "M_BAD_JSON"),
        ):
            reply = self.request("POST", "/account/password", body, token=self.phone)
            self.assertEqual(reply.error, (400, error), body)

    def test_needs_a_token(self) -> None:
        for path, body in (("/account/password", {"new_password": _NEW}), ("/account/deactivate", {})):
            self.assertEqual(self.request("POST", path, body).error, (401, "M_MISSING_TOKEN"))


class WeakPasswordTests(AccountTestCase):
    passwords = Passwords(bcrypt_rounds=4, policy=PasswordPolicy(enabled=True, minimum_length=20))

    def test_is_refused_before_the_stages(self) -> None:
        reply = self.request("POST", "/account/password", {"new_password": "short"}, token=self.phone)
        self.assertEqual(reply.error, (400, "M_PASSWORD_TOO_SHORT"))


class NoReauthenticationTests(AccountTestCase):
    def test_offers_no_way_where_passwords_are_off(self) -> None:
        self.passwords = Passwords(bcrypt_rounds=4, enabled=False)
        self.build()
        body: JsonObject = {"auth": password_login("alice")}
        reply = self.request("POST", "/account/deactivate", body, token=self.phone)
        self.assertEqual((reply.status, reply.json["flows"]), (401, []))


class DeactivationTests(AccountTestCase):
    def test_ends_sessions_and_password(self) -> None:
        self.assertTrue(self.alive(self.laptop))
        reply = self.with_password("/account/deactivate")
        self.assertEqual((reply.status, reply.json), (200, {"id_server_unbind_result": "success"}))
        self.assertEqual((self.alive(self.phone), self.alive(self.laptop)), (False, False))
        self.assertEqual(self.request("POST", "/login", password_login("alice")).status, 403)
        account = self.result_of(self.accounts.find(self.alice))
        assert account is not None
        self.assertEqual((account.deactivated_at, account.erased), (self.clock.now_ms(), False))

    def test_profile_stays_unless_erased(self) -> None:
        self.with_password("/account/deactivate")
        self.assertEqual(self.request("GET", f"/profile/{self.alice}").json, {"displayname": "alice"})

    def test_erasure(self) -> None:
        self.assertEqual(self.request("GET", f"/profile/{self.alice}").json, {"displayname": "alice"})
        self.with_password("/account/deactivate", erase=True)
        self.assertEqual(self.request("GET", f"/profile/{self.alice}").json, {})
        account = self.result_of(self.accounts.find(self.alice))
        assert account is not None
        self.assertTrue(account.erased)

    def test_wrong_password(self) -> None:
        body: JsonObject = {"auth": password_login("alice", "wrong")}
        reply = self.request("POST", "/account/deactivate", body, token=self.phone)
        self.assertEqual(reply.error, (401, "M_FORBIDDEN"))
        self.assertTrue(self.alive(self.phone))

    def test_bad_requests(self) -> None:
        for body, error in ((b"{", "M_NOT_JSON"), ({"erase": 1}, "M_BAD_JSON"), ([], "M_BAD_JSON")):
            reply = self.request("POST", "/account/deactivate", body, token=self.phone)
            self.assertEqual(reply.error, (400, error), body)
