import bcrypt

from config.passwords import Passwords
from config.rate_limits import RateLimit, RateLimits
from homeserver.accounts.store.accounts import (
    NewAccount,
    an_imported_hash,
    credentials_like,
    insert_account,
)
from homeserver.accounts.tests.serving import PASSWORD, AccountsTestCase, password_login
from homeserver.protocol.identifiers import UserID

_SLOW = RateLimit(per_second=0.1, burst=2)
_FAST = RateLimit(per_second=1e6, burst=10**6)


class LoginFlowTests(AccountsTestCase):
    def test_lists_what_works(self) -> None:
        reply = self.request("GET", "/login")
        self.assertEqual((reply.status, reply.json), (200, {"flows": [{"type": "m.login.password"}]}))


class PasswordsOffTests(AccountsTestCase):
    passwords = Passwords(bcrypt_rounds=4, enabled="only_for_reauth")

    def test_password_is_no_way_in(self) -> None:
        self.create("alice")
        self.assertEqual(self.request("GET", "/login").json, {"flows": []})
        self.assertEqual(self.request("POST", "/login", password_login("alice")).error, (400, "M_UNKNOWN"))


class LoginTests(AccountsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.create("alice")

    def test_answer(self) -> None:
        answer = self.login("alice")
        self.assertEqual(answer.keys(), {"user_id", "home_server", "access_token", "device_id"})
        self.assertEqual((answer["user_id"], answer["home_server"]), ("@alice:test", "test"))
        self.assertRegex(answer["access_token"], r"^fmt_[A-Za-z0-9]{36}$")
        self.assertRegex(answer["device_id"], r"^[A-Z]{10}$")

    def test_token_works(self) -> None:
        answer = self.login("alice")
        reply = self.request("GET", "/account/whoami", token=answer["access_token"])
        self.assertEqual(
            reply.json, {"user_id": self.alice, "device_id": answer["device_id"], "is_guest": False}
        )

    def test_forms_of_the_name(self) -> None:
        for user in ("alice", "@alice:test", "ALICE", "@Alice:test"):
            self.assertEqual(self.login(user)["user_id"], self.alice)

    def test_deprecated_form(self) -> None:
        body = {"type": "m.login.password", "user": "alice", "password": PASSWORD}
        self.assertEqual(self.request("POST", "/login", body).json["user_id"], self.alice)

    def test_capitals_of_imported_users_decide_where_they_must(self) -> None:
        self.result_of(self.import_user("@Alice:test", "another password"))
        upper = self.request("POST", "/login", password_login("Alice", "another password"))
        self.assertEqual(upper.json["user_id"], "@Alice:test")
        self.assertEqual(self.login("alice")["user_id"], "@alice:test")
        self.assertEqual(self.request("POST", "/login", password_login("ALICE")).error, (403, "M_FORBIDDEN"))

    def stored_hash(self, user_id: str) -> str:
        (found,) = self.result_of(self.db.read(credentials_like, UserID(user_id)))
        return found.password_hash or ""

    def test_hashes_of_synapse_are_replaced_when_their_password_is_known(self) -> None:
        imported = bcrypt.hashpw(b"old secret", bcrypt.gensalt(4)).decode()
        self.result_of(self.import_user("@carol:test", "", imported))
        wrong = self.request("POST", "/login", password_login("carol", "wrong"))
        self.assertEqual(wrong.error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.stored_hash("@carol:test"), imported)
        for _ in range(2):
            reply = self.request("POST", "/login", password_login("carol", "old secret"))
            self.assertEqual(reply.status, 200)
            self.assertRegex(self.stored_hash("@carol:test"), r"^\$argon2id\$")
        self.assertEqual(self.result_of(self.db.read(an_imported_hash)), None)

    async def import_user(self, user_id: str, password: str, password_hash: str | None = None) -> None:
        password_hash = password_hash or await self.hasher.hash(password)
        new = NewAccount(UserID(user_id), password_hash, displayname=None, is_admin=False, user_type=None)
        await self.db.write(insert_account, new, 0)

    def test_wrong_password_and_unknown_user_are_told_alike(self) -> None:
        bodies = [
            password_login("alice", "wrong"),
            password_login("nobody"),
            password_login("@alice:elsewhere"),
            password_login("alice", "x" * 10_000),
            password_login("nul\0"),
            {
                "type": "m.login.password",
                "identifier": {"type": "m.id.thirdparty", "medium": "email", "address": "a@b"},
                "password": PASSWORD,
            },
        ]
        replies = [self.request("POST", "/login", body) for body in bodies]
        self.assertEqual({reply.error for reply in replies}, {(403, "M_FORBIDDEN")})
        self.assertEqual(len({reply.json["error"] for reply in replies}), 1)

    def test_account_without_password(self) -> None:
        self.create("bot", None)
        self.assertEqual(self.request("POST", "/login", password_login("bot")).error, (403, "M_FORBIDDEN"))

    def test_deactivated_account(self) -> None:
        self.result_of(self.accounts.deactivate(self.alice))
        self.assertEqual(self.request("POST", "/login", password_login("alice")).error, (403, "M_FORBIDDEN"))

    def test_known_device_is_used_again(self) -> None:
        first = self.login("alice", device_id="PHONE", initial_device_display_name="my phone")
        second = self.login("alice", device_id="PHONE", initial_device_display_name="another name")
        token = second["access_token"]
        self.assertEqual(
            self.request("GET", "/account/whoami", token=first["access_token"]).error,
            (401, "M_UNKNOWN_TOKEN"),
        )
        devices = self.request("GET", "/devices", token=token).json["devices"]
        self.assertEqual(
            [(one["device_id"], one["display_name"]) for one in devices], [("PHONE", "my phone")]
        )

    def test_two_users_may_have_devices_of_one_name(self) -> None:
        self.create("bob")
        alice, bob = self.login("alice", device_id="PHONE"), self.login("bob", device_id="PHONE")
        for answer in (alice, bob):
            reply = self.request("GET", "/account/whoami", token=answer["access_token"])
            self.assertEqual(reply.json["user_id"], answer["user_id"])

    def test_bad_requests(self) -> None:
        good = password_login("alice")
        without_user = good | {"identifier": {"type": "m.id.user"}}
        for body, error in (
            (b"{", "M_NOT_JSON"),
            (b"", "M_NOT_JSON"),
            ([], "M_BAD_JSON"),
            ({}, "M_MISSING_PARAM"),
            ({"type": 1}, "M_BAD_JSON"),
            ({"type": "m.login.nonsense"}, "M_UNKNOWN"),
            ({"type": "m.login.password"}, "M_MISSING_PARAM"),
            ({"type": "m.login.password", "password": PASSWORD}, "M_MISSING_PARAM"),
            (without_user, "M_MISSING_PARAM"),
            (good | {"identifier": {"type": "m.id.nonsense"}}, "M_UNKNOWN"),
            (good | {"password": 1}, "M_BAD_JSON"),
            (good | {"identifier": "alice"}, "M_BAD_JSON"),
            (good | {"refresh_token": "yes"}, "M_BAD_JSON"),
            (good | {"device_id": ""}, "M_INVALID_PARAM"),
            (good | {"device_id": "x" * 513}, "M_INVALID_PARAM"),
            (good | {"device_id": "a\0b"}, "M_INVALID_PARAM"),
            (good | {"initial_device_display_name": "x" * 101}, "M_INVALID_PARAM"),
        ):
            self.assertEqual(self.request("POST", "/login", body).error, (400, error), body)

    def test_older_path(self) -> None:
        reply = self.request("POST", "/_matrix/client/r0/login", password_login("alice"))
        self.assertEqual(reply.status, 200)


class WellKnownTests(AccountsTestCase):
    well_known = {"m.homeserver": {"base_url": "https://matrix.test"}}  # noqa: RUF012 -- never changed

    def test_is_in_the_answer(self) -> None:
        self.create("alice")
        self.assertEqual(self.login("alice")["well_known"], self.well_known)


class FailureLimitTests(AccountsTestCase):
    rate_limits = RateLimits(login_per_address=_FAST, login_per_account=_FAST, login_failed_attempts=_SLOW)

    def setUp(self) -> None:
        super().setUp()
        self.create("alice")

    def test_failures_count_and_successes_do_not(self) -> None:
        for _ in range(5):
            self.login("alice")
        for _ in range(2):
            self.assertEqual(
                self.request("POST", "/login", password_login("ALICE", "wrong")).error, (403, "M_FORBIDDEN")
            )
        # Even the right password must wait now, or a guess would still be told.
        reply = self.request("POST", "/login", password_login("alice"))
        self.assertEqual(reply.error, (429, "M_LIMIT_EXCEEDED"))
        self.assertEqual(reply.json["retry_after_ms"], 10_001)
        self.assertEqual(reply.headers["Retry-After"], "11")
        self.reactor.advance(11)
        self.login("alice")


class AccountLimitTests(AccountsTestCase):
    rate_limits = RateLimits(login_per_address=_FAST, login_per_account=_SLOW, login_failed_attempts=_FAST)

    def test_logins_count(self) -> None:
        self.create("alice")
        self.create("bob")
        for _ in range(2):
            self.login("alice")
        reply = self.request("POST", "/login", password_login("alice"))
        self.assertEqual(reply.error, (429, "M_LIMIT_EXCEEDED"))
        self.login("bob")


class AddressLimitTests(AccountsTestCase):
    rate_limits = RateLimits(login_per_address=_SLOW, login_per_account=_FAST, login_failed_attempts=_FAST)

    def test_attempts_count(self) -> None:
        self.create("alice")
        for _ in range(2):
            self.login("alice")
        reply = self.request("POST", "/login", password_login("alice"))
        self.assertEqual(reply.error, (429, "M_LIMIT_EXCEEDED"))
        elsewhere = self.request("POST", "/login", password_login("alice"), address="192.0.2.2")
        self.assertEqual(elsewhere.status, 200)
