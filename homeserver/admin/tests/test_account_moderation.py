from typing import Any

from tests.wire import SERVER_NAME, WireClient, WireTestCase

_PATHS = (("lock", "locked"), ("suspend", "suspended"))
_CLIENT = "/_matrix/client"


class AccountModerationTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.admin, self.bob = self.register_admin("admin"), self.register("bob")

    def set(self, what: str, value: bool, user: str | None = None, by: WireClient | None = None) -> object:
        answer = (by or self.admin).put(
            f"{_CLIENT}/v1/admin/{what}/{user or self.bob.user_id}", {dict(_PATHS)[what]: value}
        )
        return answer.json if answer.status == 200 else answer.error

    def test_what_is_set_is_told(self) -> None:
        for what, field in _PATHS:
            for prefix in ("v1", "unstable/uk.timedout.msc4323"):
                path = f"{_CLIENT}/{prefix}/admin/{what}/{self.bob.user_id}"
                for value in (True, False):
                    self.assertEqual(self.admin.put(path, {field: value}).json, {field: value})
                    self.assertEqual(self.admin.get(path).json, {field: value})

    def test_locked_users_can_only_log_out(self) -> None:
        other_device = self.log_in(self.bob, "OTHER")
        self.set("lock", True)
        answer = self.bob.get("/account/whoami")
        self.assertEqual((answer.error, answer.json["soft_logout"]), ((401, "M_USER_LOCKED"), True))
        self.assertEqual(self.anonymous.post("/login", self.password_login()).error, (401, "M_USER_LOCKED"))
        self.assertEqual(other_device.post("/logout").status, 200)
        self.set("lock", False)
        self.assertEqual(self.bob.get("/account/whoami")["user_id"], self.bob.user_id)
        self.assertEqual(other_device.get("/account/whoami").error, (401, "M_UNKNOWN_TOKEN"))

    def test_wrong_passwords_do_not_tell_who_is_locked(self) -> None:
        self.set("lock", True)
        answer = self.anonymous.post("/login", self.password_login("wrong"))
        self.assertEqual(answer.error, (403, "M_FORBIDDEN"))

    def test_suspended_users_tell_nobody_anything(self) -> None:
        room_id = self.bob.create_room(preset="public_chat")
        invited_to = self.admin.create_room(preset="private_chat")
        self.admin.invite(invited_to, self.bob)
        theirs = self.admin.create_room(preset="public_chat")
        own_event = self.bob.send(room_id, "mine")
        self.admin.join(room_id)
        others_event = self.admin.send(room_id, "theirs")
        self.set("suspend", True)
        profile = f"/profile/{self.bob.user_id}/displayname"
        refused: tuple[tuple[str, str, Any], ...] = (
            ("PUT", f"/rooms/{room_id}/send/m.room.message/1", {"body": "x", "msgtype": "m.text"}),
            ("PUT", f"/rooms/{room_id}/state/m.room.name/", {"name": "x"}),
            ("PUT", f"/rooms/{room_id}/redact/{others_event}/2", {}),
            ("POST", f"/rooms/{room_id}/invite", {"user_id": self.admin.user_id}),
            ("POST", f"/rooms/{theirs}/join", {}),
            ("POST", f"/join/{invited_to}", {}),
            ("POST", f"/rooms/{room_id}/kick", {"user_id": self.admin.user_id}),
            ("POST", f"/rooms/{room_id}/ban", {"user_id": self.admin.user_id}),
            ("POST", "/createRoom", {}),
            ("PUT", profile, {"displayname": "x"}),
            ("DELETE", profile, {}),
        )
        for method, path, body in refused:
            answer = self.bob.request(method, path, body)
            self.assertEqual((path, *answer.error), (path, 403, "M_USER_SUSPENDED"))
        self.assertEqual(self.bob.redact(room_id, own_event).status, 200)
        self.assertEqual(self.bob.messages(room_id).status, 200)
        self.assertEqual(self.bob.leave(invited_to).status, 200)
        self.assertEqual(self.log_in(self.bob, "OTHER").get("/account/whoami").status, 200)
        self.set("suspend", False)
        self.bob.send(room_id, "again")

    def test_whom_nobody_may_touch(self) -> None:
        gone = self.register("gone")
        auth = {**self.password_login(), "identifier": {"type": "m.id.user", "user": gone.user_id}}
        gone.post("/account/deactivate", {"auth": auth})
        for what, _ in _PATHS:
            for user, error in (
                (self.admin.user_id, (403, "M_FORBIDDEN")),
                ("@x:elsewhere", (400, "M_INVALID_PARAM")),
                (f"@nobody:{SERVER_NAME}", (404, "M_NOT_FOUND")),
                (gone.user_id, (404, "M_NOT_FOUND")),
            ):
                self.assertEqual((user, self.set(what, True, user)), (user, error))

    def test_users_learn_nothing(self) -> None:
        for what, _ in _PATHS:
            for user in (self.admin.user_id, f"@nobody:{SERVER_NAME}", "@x:elsewhere"):
                self.assertEqual(self.set(what, True, user, by=self.bob), (403, "M_FORBIDDEN"))
                path = f"{_CLIENT}/v1/admin/{what}/{user}"
                self.assertEqual(self.bob.get(path).error, (403, "M_FORBIDDEN"))

    def password_login(self, password: str = "correct horse") -> dict[str, object]:
        identifier = {"type": "m.id.user", "user": self.bob.user_id}
        return {"type": "m.login.password", "identifier": identifier, "password": password}
