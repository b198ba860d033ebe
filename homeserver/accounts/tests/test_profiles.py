from twisted.internet.defer import Deferred

from homeserver.accounts.profile import Profile
from homeserver.accounts.profiles import ProfileEditor
from homeserver.accounts.tests.serving import AccountsTestCase
from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import UserID


class ProfilesTests(AccountsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.create("alice")
        self.editor = ProfileEditor(self.db, self.profiles, self.told)

    def get(self, user_id: UserID) -> Profile | None:
        return self.result_of(self.profiles.get(user_id))

    def test_read_once(self) -> None:
        self.assertEqual(self.get(self.alice), Profile(displayname="alice"))
        before = self.threads.calls
        self.assertEqual(self.get(self.alice), Profile(displayname="alice"))
        self.assertEqual(self.threads.calls, before)

    def test_nobody_has_none(self) -> None:
        for user_id in ("@nobody:test", "@alice:elsewhere"):
            self.assertIsNone(self.get(UserID(user_id)))
        self.failure_of(self.editor.set_field(UserID("@nobody:test"), "displayname", "x"), NotFound)
        self.failure_of(self.editor.remove_field(UserID("@nobody:test"), "displayname"), NotFound)

    def test_change_is_seen_at_once(self) -> None:
        self.get(self.alice)
        self.result_of(self.editor.set_field(self.alice, "displayname", "Alice"))
        self.assertEqual(self.get(self.alice), Profile(displayname="Alice"))

    def test_what_was_read_before_a_change_is_not_remembered(self) -> None:
        self.threads.slow = True
        reading = Deferred.fromCoroutine(self.profiles.get(self.alice))
        self.threads.slow = False
        self.result_of(self.editor.set_field(self.alice, "displayname", "Alice"))
        self.threads.catch_up()
        self.assertEqual(self.successResultOf(reading), Profile(displayname="alice"))
        self.assertEqual(self.get(self.alice), Profile(displayname="Alice"))
