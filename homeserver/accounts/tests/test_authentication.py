from twisted.internet.defer import Deferred

from homeserver.accounts.sessions import Tokens
from homeserver.accounts.tests.serving import AccountsTestCase
from homeserver.protocol.errors import UnknownToken


class AuthenticatorTests(AccountsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.create("alice")
        self.token = self.login("alice", device_id="PHONE")["access_token"]

    def test_requester(self) -> None:
        requester = self.result_of(self.authenticator.requester(self.token, "", ""))
        self.assertEqual((requester.user_id, requester.device_id), (self.alice, "PHONE"))
        self.assertFalse(requester.is_admin)
        self.assertFalse(requester.is_guest)

    def test_warm_request_asks_no_database(self) -> None:
        self.result_of(self.authenticator.requester(self.token, "", ""))
        before = self.threads.calls
        for _ in range(10):
            self.reactor.advance(20)
            self.result_of(self.authenticator.requester(self.token, "", ""))
        self.assertEqual(self.threads.calls, before)

    def test_warm_request_waits_for_nothing(self) -> None:
        self.result_of(self.authenticator.requester(self.token, "", ""))
        # A coroutine that ends at its first step never was suspended.
        with self.assertRaises(StopIteration):
            self.authenticator.requester(self.token, "", "").send(None)

    def test_another_programs_changes_are_noticed_in_minutes(self) -> None:
        self.result_of(self.authenticator.requester(self.token, "", ""))
        authenticator = self.authenticator
        # The command line, with caches of its own.
        self.build()
        self.result_of(self.accounts.deactivate(self.alice))
        self.reactor.advance(5 * 60)
        self.failure_of(authenticator.requester(self.token, "", ""), UnknownToken)

    def test_becoming_administrator_is_noticed_at_once(self) -> None:
        for is_admin in (False, True, False):
            self.result_of(self.accounts.set_admin(self.alice, is_admin))
            requester = self.result_of(self.authenticator.requester(self.token, "", ""))
            self.assertIs(requester.is_admin, is_admin)

    def test_token_that_ends_while_it_is_looked_up_is_not_remembered(self) -> None:
        self.threads.slow = True
        looking_up = Deferred.fromCoroutine(self.authenticator.requester(self.token, "", ""))
        self.assertNoResult(looking_up)
        self.threads.slow = False
        self.result_of(self.accounts.deactivate(self.alice))
        self.threads.catch_up()
        # This request came before the end, later ones do not.
        self.successResultOf(looking_up)
        self.failure_of(self.authenticator.requester(self.token, "", ""), UnknownToken)


class FirstUseTests(AccountsTestCase):
    """Refreshes and first uses that meet."""

    def setUp(self) -> None:
        super().setUp()
        self.create("alice")
        self.first = self.login("alice", refresh_token=True)

    def refresh(self, token: str) -> Tokens:
        return self.result_of(self.sessions.refresh(token))

    def test_first_use_meets_a_repeated_refresh(self) -> None:
        lost = self.refresh(self.first["refresh_token"])
        self.threads.slow = True
        using = Deferred.fromCoroutine(self.authenticator.requester(lost.access_token, "", ""))
        self.threads.slow = False
        # The token was read, but ends before its first use is noted.
        second = self.refresh(self.first["refresh_token"])
        self.threads.catch_up()
        self.failureResultOf(using, UnknownToken)
        # So it ended nothing, and the refresh can be repeated still.
        self.refresh(self.first["refresh_token"])
        self.failure_of(self.authenticator.requester(second.access_token, "", ""), UnknownToken)

    def test_first_use_meets_the_next_refresh(self) -> None:
        second = self.refresh(self.first["refresh_token"])
        self.threads.slow = True
        using = Deferred.fromCoroutine(self.authenticator.requester(second.access_token, "", ""))
        self.threads.slow = False
        assert second.refresh_token is not None
        third = self.refresh(second.refresh_token)
        self.threads.catch_up()
        self.successResultOf(using)
        self.result_of(self.authenticator.requester(third.access_token, "", ""))
