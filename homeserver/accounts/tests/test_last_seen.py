from homeserver.accounts.store.devices import Device, devices_of
from homeserver.accounts.tests.serving import AccountsTestCase


class LastSeenTests(AccountsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.create("alice")
        self.login("alice", device_id="PHONE")
        (self.phone,) = self.stored()

    def stored(self) -> list[Device]:
        account = self.result_of(self.accounts.list())[0]
        return self.result_of(self.db.read(devices_of, account.user_nid))

    def test_only_the_newest_request_is_written(self) -> None:
        before = self.threads.calls
        for at in (1, 2, 3):
            self.last_seen.note(self.phone.nid, at, f"192.0.2.{at}", "agent")
        self.assertEqual(self.threads.calls, before)
        self.result_of(self.last_seen.flush())
        self.assertEqual(self.threads.calls, before + 1)
        self.assertEqual((self.stored()[0].last_seen_at, self.stored()[0].last_seen_ip), (3, "192.0.2.3"))

    def test_nothing_noted_writes_nothing(self) -> None:
        self.last_seen.note(self.phone.nid, 1, "", "")
        self.result_of(self.last_seen.flush())
        before = self.threads.calls
        self.result_of(self.last_seen.flush())
        self.assertEqual(self.threads.calls, before)
        self.assertIsNone(self.last_seen.of(self.phone.nid))

    def test_odd_user_agents_and_deleted_devices_do_no_harm(self) -> None:
        self.last_seen.note(self.phone.nid, 1, "", "a\0" * 1000)
        self.last_seen.note(12345, 1, "", "")
        self.result_of(self.last_seen.flush())
        self.assertEqual(self.stored()[0].last_seen_at, 1)
