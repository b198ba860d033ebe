import hmac
from base64 import b64encode
from typing import ClassVar

from tests.wire import WireTestCase

_URI = "turn:turn.test?transport=udp"


class SecretTests(WireTestCase):
    settings: ClassVar = [f"turn_uris=['{_URI}']", "turn_shared_secret=hush", "turn_user_lifetime=2h"]

    def test_names_are_good_for_a_while(self) -> None:
        username = "1700007200:@alice:test"
        password = b64encode(hmac.digest(b"hush", username.encode(), "sha1")).decode()
        self.assertEqual(
            self.register("alice").get("/voip/turnServer").json,
            {"username": username, "password": password, "uris": [_URI], "ttl": 7200},
        )


class FixedTests(WireTestCase):
    settings: ClassVar = [f"turn_uris=['{_URI}']", "turn_username=all", "turn_password=open"]

    def test_one_name_for_all(self) -> None:
        self.assertEqual(
            self.register("alice").get("/voip/turnServer").json,
            {"username": "all", "password": "open", "uris": [_URI], "ttl": 3600},
        )


class GuestTests(WireTestCase):
    settings: ClassVar = [*SecretTests.settings, "turn_allow_guests=false", "allow_guest_access=true"]

    def test_guests_may_be_kept_out(self) -> None:
        answer = self.anonymous.request("POST", "/register", {}, query={"kind": "guest"})
        guest = self._signed_in(answer)
        self.assertEqual(guest.get("/voip/turnServer").error, (403, "M_GUEST_ACCESS_FORBIDDEN"))


class NoneTests(WireTestCase):
    def test_there_is_none(self) -> None:
        self.assertEqual(self.register("alice").get("/voip/turnServer").error, (404, "M_NOT_FOUND"))
