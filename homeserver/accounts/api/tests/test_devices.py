from homeserver.accounts.tests.serving import ADDRESS, PASSWORD, AccountsTestCase
from homeserver.protocol.json import JsonObject, JsonValue


class DeviceTestCase(AccountsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.create("alice")
        self.create("bob")
        self.phone = self.login("alice", device_id="PHONE", initial_device_display_name="phone")[
            "access_token"
        ]
        self.laptop = self.login("alice", device_id="LAPTOP")["access_token"]
        self.bob = self.login("bob", device_id="BOBS")["access_token"]

    def remaining(self) -> list[str]:
        reply = self.request("GET", "/devices", token=self.phone)
        return [one["device_id"] for one in reply.json["devices"]]

    def password_auth(self, session: str | None = None, **fields: JsonValue) -> JsonObject:
        auth: JsonObject = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": PASSWORD,
        }
        return auth | ({} if session is None else {"session": session}) | fields


class ReadingTests(DeviceTestCase):
    def test_list(self) -> None:
        reply = self.request("GET", "/devices", token=self.phone)
        self.assertEqual(
            reply.json,
            {
                "devices": [
                    {
                        "device_id": "PHONE",
                        "display_name": "phone",
                        "last_seen_ip": ADDRESS,
                        "last_seen_ts": self.clock.now_ms(),
                    },
                    {"device_id": "LAPTOP"},
                ]
            },
        )

    def test_one(self) -> None:
        reply = self.request("GET", "/devices/LAPTOP", token=self.phone)
        self.assertEqual((reply.status, reply.json), (200, {"device_id": "LAPTOP"}))

    def test_unknown_and_others_devices(self) -> None:
        for device_id in ("NONE", "BOBS"):
            reply = self.request("GET", f"/devices/{device_id}", token=self.phone)
            self.assertEqual(reply.error, (404, "M_NOT_FOUND"))

    def test_last_seen_survives_a_restart(self) -> None:
        self.request("GET", "/devices", token=self.laptop, address="192.0.2.7")
        seen_at = self.clock.now_ms()
        self.result_of(self.last_seen.flush())
        self.build()
        self.reactor.advance(60)
        device = self.request("GET", "/devices/LAPTOP", token=self.phone).json
        self.assertEqual((device["last_seen_ip"], device["last_seen_ts"]), ("192.0.2.7", seen_at))


class RenamingTests(DeviceTestCase):
    def test_new_name(self) -> None:
        reply = self.request("PUT", "/devices/PHONE", {"display_name": "my phone"}, token=self.phone)
        self.assertEqual((reply.status, reply.json), (200, {}))
        self.assertEqual(
            self.request("GET", "/devices/PHONE", token=self.phone).json["display_name"], "my phone"
        )

    def test_nothing_to_change(self) -> None:
        self.assertEqual(self.request("PUT", "/devices/PHONE", {}, token=self.phone).status, 200)
        self.assertEqual(
            self.request("GET", "/devices/PHONE", token=self.phone).json["display_name"], "phone"
        )

    def test_refused(self) -> None:
        for path, body, error in (
            ("NONE", {"display_name": "x"}, (404, "M_NOT_FOUND")),
            ("NONE", {}, (404, "M_NOT_FOUND")),
            ("BOBS", {"display_name": "x"}, (404, "M_NOT_FOUND")),
            ("PHONE", {"display_name": 1}, (400, "M_BAD_JSON")),
            ("PHONE", {"display_name": "x" * 101}, (400, "M_INVALID_PARAM")),
            ("PHONE", b"{", (400, "M_NOT_JSON")),
        ):
            reply = self.request("PUT", f"/devices/{path}", body, token=self.phone)
            self.assertEqual(reply.error, error, (path, body))


class DeletionTests(DeviceTestCase):
    def test_takes_the_password(self) -> None:
        first = self.request("DELETE", "/devices/LAPTOP", token=self.phone)
        self.assertEqual(first.status, 401)
        self.assertEqual(first.json["flows"], [{"stages": ["m.login.password"]}])
        self.assertNotIn("errcode", first.json)
        auth = self.password_auth(first.json["session"])
        reply = self.request("DELETE", "/devices/LAPTOP", {"auth": auth}, token=self.phone)
        self.assertEqual((reply.status, reply.json), (200, {}))
        self.assertEqual(self.remaining(), ["PHONE"])
        self.assertEqual(
            self.request("GET", "/account/whoami", token=self.laptop).error, (401, "M_UNKNOWN_TOKEN")
        )

    def test_wrong_password_may_be_tried_again(self) -> None:
        session = self.request("DELETE", "/devices/LAPTOP", {}, token=self.phone).json["session"]
        wrong = {"auth": self.password_auth(session, password="wrong")}
        reply = self.request("DELETE", "/devices/LAPTOP", wrong, token=self.phone)
        self.assertEqual(reply.error, (401, "M_FORBIDDEN"))
        self.assertEqual(reply.json["session"], session)
        self.assertEqual(self.remaining(), ["PHONE", "LAPTOP"])
        right = {"auth": self.password_auth(session)}
        self.assertEqual(self.request("DELETE", "/devices/LAPTOP", right, token=self.phone).status, 200)

    def test_password_of_another_user_does_not_do(self) -> None:
        auth = self.password_auth(identifier={"type": "m.id.user", "user": "bob"})
        reply = self.request("DELETE", "/devices/LAPTOP", {"auth": auth}, token=self.phone)
        self.assertEqual(reply.error, (401, "M_FORBIDDEN"))

    def test_session_is_good_for_one_device(self) -> None:
        session = self.request("DELETE", "/devices/LAPTOP", {}, token=self.phone).json["session"]
        body = {"auth": self.password_auth(session)}
        reply = self.request("DELETE", "/devices/PHONE", body, token=self.phone)
        self.assertEqual(reply.error, (403, "M_FORBIDDEN"))

    def test_others_and_unknown_devices_are_passed_over(self) -> None:
        for device_id in ("BOBS", "NONE"):
            body = {"auth": self.password_auth()}
            reply = self.request("DELETE", f"/devices/{device_id}", body, token=self.phone)
            self.assertEqual(reply.status, 200)
        self.assertEqual(self.request("GET", "/account/whoami", token=self.bob).status, 200)

    def test_several(self) -> None:
        body: JsonObject = {"devices": ["LAPTOP", "BOBS", "NONE"]}
        session = self.request("POST", "/delete_devices", body, token=self.phone).json["session"]
        body["auth"] = self.password_auth(session)
        self.assertEqual(self.request("POST", "/delete_devices", body, token=self.phone).status, 200)
        self.assertEqual(self.remaining(), ["PHONE"])
        self.assertEqual(self.request("GET", "/account/whoami", token=self.bob).status, 200)

    def test_none(self) -> None:
        body: JsonObject = {"devices": [], "auth": self.password_auth()}
        self.assertEqual(self.request("POST", "/delete_devices", body, token=self.phone).status, 200)
        self.assertEqual(self.remaining(), ["PHONE", "LAPTOP"])

    def test_session_is_good_for_these_devices(self) -> None:
        body = {"devices": ["LAPTOP"]}
        session = self.request("POST", "/delete_devices", body, token=self.phone).json["session"]
        changed = {"devices": ["PHONE"], "auth": self.password_auth(session)}
        reply = self.request("POST", "/delete_devices", changed, token=self.phone)
        self.assertEqual(reply.error, (403, "M_FORBIDDEN"))

    def test_bad_requests(self) -> None:
        for body, error in (
            (b"{", "M_NOT_JSON"),
            ({}, "M_MISSING_PARAM"),
            ({"devices": "LAPTOP"}, "M_BAD_JSON"),
            ({"devices": [1]}, "M_BAD_JSON"),
            ({"devices": ["LAPTOP"], "auth": {"type": "m.login.password"}}, "M_MISSING_PARAM"),
            ({"devices": ["LAPTOP"], "auth": {"type": "m.login.password", "password": 1}}, "M_BAD_JSON"),
        ):
            reply = self.request("POST", "/delete_devices", body, token=self.phone)
            self.assertEqual(reply.error, (400, error), body)


class TokenNeededTests(DeviceTestCase):
    def test_without_one(self) -> None:
        for method, path in (
            ("GET", "/devices"),
            ("GET", "/devices/PHONE"),
            ("PUT", "/devices/PHONE"),
            ("DELETE", "/devices/PHONE"),
            ("POST", "/delete_devices"),
        ):
            self.assertEqual(self.request(method, path).error, (401, "M_MISSING_TOKEN"))
            self.assertEqual(self.request(method, path, token="bad").error, (401, "M_UNKNOWN_TOKEN"))
