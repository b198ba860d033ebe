from homeserver.accounts.tests.serving import AccountsTestCase, password_login
from homeserver.protocol.errors import NotFound, UserInUse
from homeserver.protocol.identifiers import UserID
from homeserver.storage.engine import Transaction

NOBODY = UserID("@nobody:test")


class AccountsTests(AccountsTestCase):
    def test_find(self) -> None:
        alice = self.create("alice", is_admin=True)
        account = self.result_of(self.accounts.find(alice))
        assert account is not None
        self.assertEqual(account.user_id, alice)
        self.assertEqual(account.created_at, self.clock.now_ms())
        self.assertIs(account.is_admin, True)
        self.assertIs(account.erased, False)
        self.assertIsNone(account.deactivated_at)
        self.assertIsNone(self.result_of(self.accounts.find(NOBODY)))

    def test_user_that_was_spoken_of_before(self) -> None:
        def speak(txn: Transaction) -> None:
            txn.execute("INSERT INTO known_user (nid, user_id) VALUES (77, '@alice:test')")

        self.result_of(self.db.write(speak))
        account = self.result_of(self.accounts.find(self.create("alice")))
        assert account is not None
        self.assertEqual(account.user_nid, 77)

    def test_id_is_given_once(self) -> None:
        self.create("alice")
        self.failure_of(self.accounts.create(UserID("@alice:test"), "x"), UserInUse)
        self.failure_of(self.accounts.create(UserID("@ALICE:test"), "x"), UserInUse)
        self.assertEqual((self.count("account"), self.count("account_profile")), (1, 1))

    def test_pages(self) -> None:
        made = [self.create(name) for name in ("carol", "alice", "bob")]
        first = self.result_of(self.accounts.list(limit=2))
        second = self.result_of(self.accounts.list(after=first[-1].user_nid, limit=2))
        self.assertEqual([account.user_id for account in first + second], made)

    def test_password_of_an_administrators_choice_ends_all_sessions(self) -> None:
        alice = self.create("alice")
        token = self.login("alice")["access_token"]
        self.result_of(self.accounts.set_password(alice, "new"))
        self.assertEqual(self.request("GET", "/account/whoami", token=token).status, 401)
        self.assertEqual(self.request("POST", "/login", password_login("alice", "new")).status, 200)

    def test_nobody(self) -> None:
        for change in (
            self.accounts.set_password(NOBODY, "x"),
            self.accounts.set_admin(NOBODY, True),
            self.accounts.deactivate(NOBODY),
        ):
            self.failure_of(change, NotFound)

    def test_erasure_is_not_taken_back(self) -> None:
        alice = self.create("alice", is_admin=True)
        for erase in (True, False):
            self.result_of(self.accounts.deactivate(alice, erase=erase))
            self.reactor.advance(1)
        account = self.result_of(self.accounts.find(alice))
        assert account is not None
        self.assertTrue(account.erased)
        self.assertFalse(account.is_admin)
        # The end is when it ended first.
        self.assertEqual(account.deactivated_at, self.clock.now_ms() - 2000)
