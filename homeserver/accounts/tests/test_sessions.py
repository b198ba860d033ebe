from datetime import timedelta

from homeserver.accounts.tests.serving import AccountsTestCase
from homeserver.protocol.errors import UserDeactivated


class ExpiryTests(AccountsTestCase):
    def test_expired_tokens_are_deleted_in_the_end(self) -> None:
        self.create("alice")
        self.login("alice", device_id="PHONE", refresh_token=True)
        self.login("alice", device_id="LAPTOP")
        self.assertEqual(self.count("account_token"), 3)
        self.reactor.advance(timedelta(days=180).total_seconds())
        self.result_of(self.sessions.forget_expired())
        self.assertEqual(self.count("account_token"), 3)
        self.reactor.advance(timedelta(minutes=6).total_seconds())
        self.result_of(self.sessions.forget_expired())
        # The access token that had a refresh token is gone; the other two never expire.
        self.assertEqual(self.count("account_token"), 2)

    def test_tables_end_with_the_sessions(self) -> None:
        self.create("alice")
        for _ in range(3):
            token = self.login("alice", refresh_token=True)["access_token"]
        self.request("POST", "/logout/all", token=token)
        self.assertEqual((self.count("account_device"), self.count("account_token")), (0, 0))


class BeginningTests(AccountsTestCase):
    def test_no_session_for_an_account_that_ended_meanwhile(self) -> None:
        alice = self.create("alice")
        session = self.sessions.prepare(None, None, refreshable=False)
        account = self.result_of(self.accounts.find(alice))
        assert account is not None
        self.result_of(self.accounts.deactivate(alice))
        self.failure_of(self.sessions.begin(account.user_nid, session), UserDeactivated)
        self.assertEqual(self.count("account_device"), 0)
