from config.passwords import PasswordPolicy, Passwords
from config.rate_limits import RateLimit, RateLimits
from config.registration import Registration
from homeserver.accounts.tests.serving import PASSWORD, AccountsTestCase, password_login

_DUMMY = {"type": "m.login.dummy"}


class RegistrationTests(AccountsTestCase):
    def test_in_two_steps(self) -> None:
        body = {"username": "alice", "password": PASSWORD, "initial_device_display_name": "phone"}
        first = self.request("POST", "/register", body)
        self.assertEqual(first.status, 401)
        session = first.json["session"]
        self.assertEqual(
            first.json, {"session": session, "flows": [{"stages": ["m.login.dummy"]}], "params": {}}
        )
        second = self.request("POST", "/register", body | {"auth": _DUMMY | {"session": session}})
        self.assertEqual(second.status, 200)
        self.assertEqual(second.json.keys(), {"user_id", "home_server", "access_token", "device_id"})
        self.assertEqual(second.json["user_id"], "@alice:test")
        device = self.request(
            "GET", f"/devices/{second.json['device_id']}", token=second.json["access_token"]
        )
        self.assertEqual(device.json["display_name"], "phone")
        self.assertEqual(self.login("alice")["user_id"], "@alice:test")

    def test_in_one_step(self) -> None:
        body = {"username": "alice", "password": PASSWORD, "auth": _DUMMY}
        self.assertEqual(self.request("POST", "/register", body).status, 200)
        self.assertEqual(self.count("account_interactive_auth"), 0)

    def test_profile_begins_with_the_name(self) -> None:
        self.request("POST", "/register", {"username": "alice", "password": PASSWORD, "auth": _DUMMY})
        self.assertEqual(self.request("GET", "/profile/@alice:test").json, {"displayname": "alice"})

    def test_one_write_makes_it_all(self) -> None:
        body = {"username": "alice", "password": PASSWORD, "auth": _DUMMY}
        before = self.threads.calls
        self.request("POST", "/register", body)
        # One read, whether the name is free, and one write.
        self.assertEqual(self.threads.calls - before, 2)

    def test_capitals_are_folded(self) -> None:
        body = {"username": "Alice", "password": PASSWORD, "auth": _DUMMY}
        self.assertEqual(self.request("POST", "/register", body).json["user_id"], "@alice:test")
        self.assertEqual(self.request("POST", "/register", body).error, (400, "M_USER_IN_USE"))

    def test_name_is_made_up_if_need_be(self) -> None:
        body = {"password": PASSWORD, "auth": _DUMMY}
        replies = [self.request("POST", "/register", body) for _ in range(2)]
        for reply in replies:
            self.assertRegex(reply.json["user_id"], r"^@[a-z]{12}:test$")
        self.assertNotEqual(*(reply.json["user_id"] for reply in replies))

    def test_login_may_be_inhibited(self) -> None:
        body = {"username": "alice", "password": PASSWORD, "inhibit_login": True, "auth": _DUMMY}
        reply = self.request("POST", "/register", body)
        self.assertEqual((reply.status, reply.json), (200, {"user_id": "@alice:test", "home_server": "test"}))
        self.assertEqual(self.count("account_device"), 0)

    def test_refresh_token(self) -> None:
        body = {"username": "alice", "password": PASSWORD, "refresh_token": True, "auth": _DUMMY}
        reply = self.request("POST", "/register", body)
        self.assertRegex(reply.json["refresh_token"], r"^fmr_[A-Za-z0-9]{24}_0_[A-Za-z0-9]{36}$")
        self.assertEqual(reply.json["expires_in_ms"], 300_000)

    def test_taken_name_is_told_before_the_stages(self) -> None:
        self.create("alice")
        body = {"username": "alice", "password": PASSWORD}
        self.assertEqual(self.request("POST", "/register", body).error, (400, "M_USER_IN_USE"))

    def test_name_of_a_deactivated_user_stays_taken(self) -> None:
        self.result_of(self.accounts.deactivate(self.create("alice"), erase=True))
        body = {"username": "alice", "password": PASSWORD}
        self.assertEqual(self.request("POST", "/register", body).error, (400, "M_USER_IN_USE"))

    def test_bad_names(self) -> None:
        for name in ("", "al ice", "älice", "@alice:test", "_alice", "12345", "a\0", "x" * 250):
            reply = self.request("POST", "/register", {"username": name, "password": PASSWORD})
            self.assertEqual(reply.error, (400, "M_INVALID_USERNAME"), name)

    def test_password_is_needed_in_the_end(self) -> None:
        # Clients ask so, to learn of the flows.
        self.assertEqual(self.request("POST", "/register", {}).status, 401)
        reply = self.request("POST", "/register", {"username": "alice", "auth": _DUMMY})
        self.assertEqual(reply.error, (400, "M_MISSING_PARAM"))

    def test_bad_requests(self) -> None:
        for body, error in (
            (b"{", "M_NOT_JSON"),
            ([], "M_BAD_JSON"),
            ({"username": 1}, "M_BAD_JSON"),
            ({"password": "x" * 513}, "M_INVALID_PARAM"),
            ({"password": ""}, "M_INVALID_PARAM"),
            ({"auth": "dummy"}, "M_BAD_JSON"),
            ({"auth": {"type": 1}}, "M_BAD_JSON"),
            ({"auth": {"session": []}}, "M_BAD_JSON"),
            ({"auth": {"session": "unknown"}}, "M_UNKNOWN"),
        ):
            self.assertEqual(self.request("POST", "/register", body).error, (400, error), body)

    def test_guests_are_not_admitted(self) -> None:
        self.assertEqual(self.request("POST", "/register?kind=guest", {}).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.request("POST", "/register?kind=king", {}).error, (400, "M_INVALID_PARAM"))


class AvailabilityTests(AccountsTestCase):
    def test_free_name(self) -> None:
        reply = self.request("GET", "/register/available?username=alice")
        self.assertEqual((reply.status, reply.json), (200, {"available": True}))

    def test_taken_bad_and_missing_names(self) -> None:
        self.create("alice")
        for query, error in (
            ("?username=Alice", "M_USER_IN_USE"),
            ("?username=al%20ice", "M_INVALID_USERNAME"),
            ("", "M_MISSING_PARAM"),
        ):
            self.assertEqual(self.request("GET", f"/register/available{query}").error, (400, error))


class ClosedRegistrationTests(AccountsTestCase):
    registration = Registration()

    def test_nobody_may(self) -> None:
        body = {"username": "alice", "password": PASSWORD, "auth": _DUMMY}
        self.assertEqual(self.request("POST", "/register", body).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.request("GET", "/register/available?username=a").error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.count("account"), 0)


class RegistrationLimitTests(AccountsTestCase):
    rate_limits = RateLimits(registration=RateLimit(per_second=0.1, burst=2))

    def register(self, name: str) -> tuple[int, str | None]:
        body = {"username": name, "password": PASSWORD, "auth": _DUMMY}
        reply = self.request("POST", "/register", body)
        return reply.status, reply.json.get("errcode")

    def test_accounts_count(self) -> None:
        # Questions count for less.
        for _ in range(3):
            self.assertEqual(self.request("POST", "/register", {}).status, 401)
        self.assertEqual([self.register("a1"), self.register("a2")], [(200, None)] * 2)
        self.assertEqual(self.register("a3"), (429, "M_LIMIT_EXCEEDED"))
        self.reactor.advance(10)
        self.assertEqual(self.register("a3"), (200, None))

    def test_questions_count_in_the_end(self) -> None:
        statuses = [self.request("GET", "/register/available?username=a").status for _ in range(21)]
        self.assertEqual(statuses, [200] * 20 + [429])


class PasswordPolicyTests(AccountsTestCase):
    passwords = Passwords(
        bcrypt_rounds=4,
        policy=PasswordPolicy(
            enabled=True,
            minimum_length=8,
            require_digit=True,
            require_symbol=True,
            require_lowercase=True,
            require_uppercase=True,
        ),
    )

    def test_each_rule(self) -> None:
        for password, error in (
            ("Ab1!", "M_PASSWORD_TOO_SHORT"),
            ("Abcdefg!", "M_PASSWORD_NO_DIGIT"),
            ("Abcdefg1", "M_PASSWORD_NO_SYMBOL"),
            ("ABCDEF1!", "M_PASSWORD_NO_LOWERCASE"),
            ("abcdef1!", "M_PASSWORD_NO_UPPERCASE"),
        ):
            reply = self.request("POST", "/register", {"username": "alice", "password": password})
            self.assertEqual(reply.error, (400, error))
        good = {"username": "alice", "password": "Abcdef1!", "auth": _DUMMY}
        self.assertEqual(self.request("POST", "/register", good).status, 200)

    def test_older_passwords_stay_good(self) -> None:
        self.create("bob", "short")
        self.assertEqual(self.request("POST", "/login", password_login("bob", "short")).status, 200)
