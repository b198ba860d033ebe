from collections.abc import Sequence
from typing import ClassVar

from config.people import People
from tests.wire import WireTestCase


class LoginTests(WireTestCase):
    settings: ClassVar[Sequence[str]] = ("require_auth_for_profile_requests=true",)

    def test_strangers_to_the_server_see_nothing(self) -> None:
        alice, bob = self.register("alice"), self.register("bob")
        for path in (f"/profile/{alice.user_id}", f"/profile/{alice.user_id}/displayname"):
            self.assertEqual(self.anonymous.get(path).error, (401, "M_MISSING_TOKEN"))
            self.assertEqual(bob.get(path)["displayname"], "alice")


class RoomTests(WireTestCase):
    settings: ClassVar[Sequence[str]] = (
        "require_auth_for_profile_requests=true",
        "limit_profile_requests_to_users_who_share_rooms=true",
    )

    def test_only_who_shares_a_room_sees_something(self) -> None:
        alice, bob = self.register("alice"), self.register("bob")
        path = f"/profile/{alice.user_id}"
        self.assertEqual(bob.get(path).error, (403, "M_FORBIDDEN"))
        self.assertEqual(bob.get(f"{path}/displayname").error, (403, "M_FORBIDDEN"))
        self.assertEqual(bob.get("/profile/@nobody:test").error, (403, "M_FORBIDDEN"))
        self.assertEqual(alice.get(path)["displayname"], "alice")
        alice.create_room(members=[bob])
        self.assertEqual(bob.get(path)["displayname"], "alice")


class FixedTests(WireTestCase):
    settings: ClassVar[Sequence[str]] = ("enable_set_displayname=false", "enable_set_avatar_url=false")

    def test_names_and_pictures_stay(self) -> None:
        alice = self.register("alice")
        for key in ("displayname", "avatar_url"):
            path = f"/profile/{alice.user_id}/{key}"
            self.assertEqual(alice.put(path, {key: "mxc://test/x"}).error, (403, "M_FORBIDDEN"))
            self.assertEqual(alice.delete(path).error, (403, "M_FORBIDDEN"))
        self.assertEqual(alice.put(f"/profile/{alice.user_id}/m.tz", {"m.tz": "UTC"}).status, 200)

    def test_clients_are_told(self) -> None:
        capabilities = self.register("alice").get("/capabilities")["capabilities"]
        self.assertEqual(capabilities["m.set_displayname"], {"enabled": False})
        self.assertEqual(capabilities["m.set_avatar_url"], {"enabled": False})
        expected = {"enabled": True, "disallowed": ["displayname", "avatar_url"]}
        self.assertEqual(capabilities["m.profile_fields"], expected)


class UnstableTests(WireTestCase):
    def test_fields_have_the_paths_of_msc4133_too(self) -> None:
        alice = self.register("alice")
        path = f"/_matrix/client/unstable/uk.tcpip.msc4133/profile/{alice.user_id}/m.tz"
        self.assertEqual(alice.put(path, {"m.tz": "UTC"}).status, 200)
        self.assertEqual(alice.get(path).json, {"m.tz": "UTC"})
        self.assertEqual(alice.delete(path).status, 200)
        self.assertEqual(alice.get(path).error, (404, "M_NOT_FOUND"))


def test_rooms_can_only_be_asked_of_who_is_known() -> None:
    assert list(People(profiles_need_room=True).conflicts())
    assert not list(People(profiles_need_room=True, profiles_need_login=True).conflicts())
