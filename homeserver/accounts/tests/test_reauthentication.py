from typing import ClassVar

from tests.client import Answer, Json
from tests.wire import PASSWORD, WireClient, WireTestCase


class ReauthenticationTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.register("alice")

    def password(self) -> Json:
        identifier = {"type": "m.id.user", "user": self.alice.user_id}
        return {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}

    def remove(self, user: WireClient, **auth: Json) -> Answer:
        """Removes a device of Alice's."""
        device_id = self.log_in(self.alice, "SPARE").device_id
        return user.post("/delete_devices", {"devices": [device_id], **auth})


class AlwaysTests(ReauthenticationTestCase):
    def test_each_time(self) -> None:
        self.assertEqual(self.remove(self.alice).status, 401)
        self.assertEqual(self.remove(self.alice, auth=self.password()).status, 200)
        self.assertEqual(self.remove(self.alice).status, 401)


class LatelyTests(ReauthenticationTestCase):
    settings: ClassVar = ("ui_auth.session_timeout=10m",)

    def test_who_has_just_logged_in_need_not(self) -> None:
        self.assertEqual(self.remove(self.alice).status, 200)
        self.advance(599)
        self.assertEqual(self.remove(self.alice).status, 200)
        self.advance(1)
        self.assertEqual(self.remove(self.alice).status, 401)

    def test_a_password_lasts_on_its_device(self) -> None:
        phone = self.log_in(self.alice, "PHONE")
        self.advance(601)
        self.assertEqual(self.remove(self.alice, auth=self.password()).status, 200)
        self.assertEqual(self.remove(phone).status, 401)
        self.restart()
        self.assertEqual(self.remove(self.alice).status, 200)
        self.advance(600)
        self.assertEqual(self.remove(self.alice).status, 401)

    def test_new_login_on_an_old_device(self) -> None:
        self.advance(601)
        again = self.log_in(self.alice, self.alice.device_id)
        self.assertEqual(self.remove(again).status, 200)

    def test_what_always_asks(self) -> None:
        self.assertEqual(self.alice.post("/account/password", {"new_password": "x" * 20}).status, 401)
        self.assertEqual(self.alice.post("/account/deactivate", {}).status, 401)
