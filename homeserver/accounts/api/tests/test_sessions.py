from datetime import timedelta

from config.sessions import Sessions as Lifetimes
from homeserver.accounts.tests.serving import AccountsTestCase, Reply

_MINUTE = 60


class SessionTestCase(AccountsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.create("alice")

    def whoami(self, token: str) -> Reply:
        return self.request("GET", "/account/whoami", token=token)

    def refresh(self, token: str) -> Reply:
        return self.request("POST", "/refresh", {"refresh_token": token})

    def assert_alive(self, token: str) -> None:
        self.assertEqual(self.whoami(token).status, 200)

    def assert_dead(self, reply: Reply, *, soft: bool) -> None:
        self.assertEqual(reply.error, (401, "M_UNKNOWN_TOKEN"))
        self.assertIs(reply.json["soft_logout"], soft)


class TokenTests(SessionTestCase):
    def test_no_token_and_unknown_tokens(self) -> None:
        self.assertEqual(self.request("GET", "/account/whoami").error, (401, "M_MISSING_TOKEN"))
        refresh_token = self.login("alice", refresh_token=True)["refresh_token"]
        for token in ("nonsense", "fmt_" + "x" * 36, "ü", refresh_token):
            self.assert_dead(self.whoami(token), soft=False)

    def test_token_for_ever(self) -> None:
        token = self.login("alice")["access_token"]
        self.reactor.advance(10 * 365 * 24 * 3600)
        self.assert_alive(token)


class LogoutTests(SessionTestCase):
    def test_ends_this_session(self) -> None:
        one, other = (self.login("alice")["access_token"] for _ in range(2))
        self.assert_alive(one)
        reply = self.request("POST", "/logout", token=one)
        self.assertEqual((reply.status, reply.json), (200, {}))
        self.assert_dead(self.whoami(one), soft=False)
        self.assertEqual(len(self.request("GET", "/devices", token=other).json["devices"]), 1)

    def test_ends_the_refresh_token_too(self) -> None:
        answer = self.login("alice", refresh_token=True)
        self.request("POST", "/logout", token=answer["access_token"])
        self.assert_dead(self.refresh(answer["refresh_token"]), soft=False)
        self.assertEqual(self.count("account_token"), 0)

    def test_all_ends_every_session_of_the_user(self) -> None:
        self.create("bob")
        tokens = [self.login("alice")["access_token"] for _ in range(2)]
        bob = self.login("bob")["access_token"]
        for token in (*tokens, bob):
            self.assert_alive(token)
        self.assertEqual(self.request("POST", "/logout/all", {}, token=tokens[0]).json, {})
        for token in tokens:
            self.assert_dead(self.whoami(token), soft=False)
        self.assert_alive(bob)

    def test_needs_a_token(self) -> None:
        for path in ("/logout", "/logout/all"):
            self.assertEqual(self.request("POST", path).error, (401, "M_MISSING_TOKEN"))

    def test_number_of_a_deleted_device_is_not_used_again(self) -> None:
        def nid() -> int | None:
            token = self.login("alice", device_id="PHONE")["access_token"]
            found = self.result_of(self.authenticator.requester(token, "", "")).device_nid
            self.request("POST", "/logout", token=token)
            return found

        # Transaction IDs of the old device must not be taken for those of the new one.
        self.assertNotEqual(nid(), nid())


class RefreshTests(SessionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.first = self.login("alice", refresh_token=True)

    def test_answer(self) -> None:
        self.assertEqual(self.first["expires_in_ms"], 300_000)
        reply = self.refresh(self.first["refresh_token"])
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.json.keys(), {"access_token", "refresh_token", "expires_in_ms"})
        self.assertEqual(reply.json["expires_in_ms"], 300_000)
        whoami = self.whoami(reply.json["access_token"])
        self.assertEqual(whoami.json["device_id"], self.first["device_id"])

    def test_expired_access_token_is_a_soft_logout(self) -> None:
        self.assert_alive(self.first["access_token"])
        self.reactor.advance(5 * _MINUTE - 1)
        self.assert_alive(self.first["access_token"])
        self.reactor.advance(1)
        self.assert_dead(self.whoami(self.first["access_token"]), soft=True)
        self.assertEqual(self.refresh(self.first["refresh_token"]).status, 200)

    def test_refresh_can_be_repeated_until_a_new_token_is_used(self) -> None:
        lost = self.refresh(self.first["refresh_token"]).json
        self.assert_alive(self.first["access_token"])
        second = self.refresh(self.first["refresh_token"]).json
        self.assert_dead(self.whoami(lost["access_token"]), soft=False)
        self.assert_dead(self.refresh(lost["refresh_token"]), soft=False)
        self.assert_alive(second["access_token"])

    def test_use_of_the_new_access_token_ends_the_old_tokens(self) -> None:
        self.assert_alive(self.first["access_token"])
        second = self.refresh(self.first["refresh_token"]).json
        self.assert_alive(second["access_token"])
        self.assert_dead(self.whoami(self.first["access_token"]), soft=False)
        self.assert_alive(second["access_token"])
        self.assert_dead(self.refresh(self.first["refresh_token"]), soft=True)

    def test_use_of_the_new_refresh_token_ends_the_old_tokens(self) -> None:
        self.assert_alive(self.first["access_token"])
        second = self.refresh(self.first["refresh_token"]).json
        third = self.refresh(second["refresh_token"]).json
        self.assert_dead(self.whoami(self.first["access_token"]), soft=False)
        self.assert_alive(second["access_token"])
        self.assert_alive(third["access_token"])
        self.assert_dead(self.refresh(self.first["refresh_token"]), soft=True)

    def test_a_refresh_token_that_was_used_up_ends_the_session(self) -> None:
        """Whichever of the two is the thief, both must log in again."""
        other = self.login("alice", refresh_token=True)
        thief = self.refresh(self.first["refresh_token"]).json
        self.assert_alive(thief["access_token"])
        self.assert_dead(self.refresh(self.first["refresh_token"]), soft=True)
        self.assert_dead(self.whoami(thief["access_token"]), soft=True)
        self.assert_dead(self.refresh(thief["refresh_token"]), soft=True)
        self.assert_alive(other["access_token"])
        self.assertEqual(self.refresh(other["refresh_token"]).status, 200)
        again = self.login("alice", device_id=self.first["device_id"], refresh_token=True)
        # The old session is not this one.
        self.assert_dead(self.refresh(self.first["refresh_token"]), soft=False)
        self.assert_alive(again["access_token"])

    def test_few_tokens_however_often(self) -> None:
        token = self.first["refresh_token"]
        for _ in range(10):
            token = self.refresh(token).json["refresh_token"]
        self.assertEqual(self.count("account_token"), 4)

    def test_access_token_is_no_refresh_token(self) -> None:
        self.assert_dead(self.refresh(self.first["access_token"]), soft=False)

    def test_bad_requests(self) -> None:
        for body, error in (
            (b"{", "M_NOT_JSON"),
            ({}, "M_MISSING_PARAM"),
            ({"refresh_token": 1}, "M_BAD_JSON"),
        ):
            self.assertEqual(self.request("POST", "/refresh", body).error, (400, error))


class LifetimeTests(SessionTestCase):
    lifetimes = Lifetimes(
        lifetime=timedelta(hours=1),
        refresh_token_lifetime=timedelta(minutes=30),
        nonrefreshable_access_token_lifetime=timedelta(minutes=20),
    )

    def test_access_token_without_refresh(self) -> None:
        answer = self.login("alice")
        self.assertEqual(answer["expires_in_ms"], 20 * _MINUTE * 1000)
        self.reactor.advance(20 * _MINUTE)
        self.assert_dead(self.whoami(answer["access_token"]), soft=True)

    def test_refresh_token_expires_unless_it_is_used(self) -> None:
        one, other = (self.login("alice", refresh_token=True)["refresh_token"] for _ in range(2))
        self.reactor.advance(20 * _MINUTE)
        one = self.refresh(one).json["refresh_token"]
        self.reactor.advance(20 * _MINUTE)
        self.assertEqual(self.refresh(one).status, 200)
        self.assert_dead(self.refresh(other), soft=True)

    def test_session_ends_even_if_refreshed(self) -> None:
        token = self.login("alice", refresh_token=True)["refresh_token"]
        for _ in range(2):
            self.reactor.advance(29 * _MINUTE)
            answer = self.refresh(token).json
            token = answer["refresh_token"]
        # Two minutes are left.
        self.assertEqual(answer["expires_in_ms"], 2 * _MINUTE * 1000)
        self.reactor.advance(2 * _MINUTE)
        self.assert_dead(self.whoami(answer["access_token"]), soft=True)
        self.assert_dead(self.refresh(token), soft=True)

    def test_logging_in_again_on_the_device_begins_anew(self) -> None:
        self.login("alice", device_id="PHONE", refresh_token=True)
        self.reactor.advance(59 * _MINUTE)
        token = self.login("alice", device_id="PHONE", refresh_token=True)["refresh_token"]
        self.reactor.advance(29 * _MINUTE)
        self.assertEqual(self.refresh(token).status, 200)


class NoRefreshTokensTests(SessionTestCase):
    lifetimes = Lifetimes(refreshable_access_token_lifetime=None)

    def test_client_gets_none(self) -> None:
        answer = self.login("alice", refresh_token=True)
        self.assertNotIn("refresh_token", answer)
        self.assertNotIn("expires_in_ms", answer)
