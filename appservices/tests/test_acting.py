"""Services and their users, at the wire."""

from appservices.tests.serving import ServiceTestCase
from tests.wire import PASSWORD, WireClient

APPSERVICE = "m.login.application_service"


class IdentityTests(ServiceTestCase):
    def test_the_service_itself(self) -> None:
        answer = self.bot.get("/account/whoami")
        self.assertEqual(answer.json, {"user_id": "@bridge:test", "is_guest": False})

    def test_a_token_in_the_query(self) -> None:
        answer = self.anonymous.get("/account/whoami", access_token="as_secret")
        self.assertEqual(answer["user_id"], "@bridge:test")

    def test_a_user_of_the_service(self) -> None:
        ghost = self.ghost("bob")
        self.assertEqual(ghost.get("/account/whoami")["user_id"], "@_bridge_bob:test")

    def test_whom_it_may_not_be(self) -> None:
        alice = self.register("alice")
        for user_id in (alice.user_id, "@_bridge_nobody:test", "@_bridge_bob:elsewhere.example", "nonsense"):
            answer = self.acting_as(user_id).get("/account/whoami")
            self.assertEqual(answer.error, (403, "M_FORBIDDEN"), user_id)

    def test_users_name_nobody_else(self) -> None:
        alice = self.register("alice")
        self.ghost("bob")
        answer = alice.get("/account/whoami", user_id="@_bridge_bob:test")
        self.assertEqual(answer["user_id"], alice.user_id)

    def test_devices(self) -> None:
        body = {"type": APPSERVICE, "identifier": {"type": "m.id.user", "user": "_bridge_bob"}}
        self.ghost("bob")
        session = self.bot.post("/login", {**body, "device_id": "PHONE"})
        on_phone = self.acting_as("@_bridge_bob:test", "PHONE")
        self.assertEqual(on_phone.get("/account/whoami")["device_id"], "PHONE")
        own = WireClient(self.site, "@_bridge_bob:test", session["access_token"])
        self.assertEqual(own.get("/account/whoami")["device_id"], "PHONE")
        answer = self.acting_as("@_bridge_bob:test", "OTHER").get("/account/whoami")
        self.assertEqual(answer.error, (400, "M_UNKNOWN_DEVICE"))


class RegistrationTests(ServiceTestCase):
    def register_as(self, username: str, token: str = "as_secret") -> tuple[int, str]:
        client = WireClient(self.site, "", token)
        answer = client.post("/register", {"type": APPSERVICE, "username": username})
        return answer.status, answer.json.get("errcode", "")

    def test_in_and_out_of_the_namespace(self) -> None:
        self.assertEqual(self.register_as("_bridge_bob"), (200, ""))
        self.assertEqual(self.register_as("_bridge_bob"), (400, "M_USER_IN_USE"))
        self.assertEqual(self.register_as("bob"), (400, "M_EXCLUSIVE"))
        self.assertEqual(self.register_as("_bridge_eve", "wrong"), (401, "M_UNKNOWN_TOKEN"))
        self.assertEqual(self.register_as("_bridge_eve", ""), (401, "M_MISSING_TOKEN"))

    def test_names_are_kept_for_the_service(self) -> None:
        for username in ("_bridge_eve", "bridge"):
            body = {"username": username, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
            answer = self.anonymous.post("/register", body)
            self.assertIn(answer.error, [(400, "M_EXCLUSIVE"), (400, "M_INVALID_USERNAME")])
        answer = self.anonymous.get("/register/available", username="bridge")
        self.assertEqual(answer.error, (400, "M_EXCLUSIVE"))

    def test_the_way_to_log_in_is_told(self) -> None:
        self.assertIn({"type": APPSERVICE}, self.anonymous.get("/login")["flows"])

    def test_logging_in(self) -> None:
        def error(user: str, token: str) -> tuple[int, str]:
            body = {"type": APPSERVICE, "identifier": {"type": "m.id.user", "user": user}}
            return WireClient(self.site, "", token).post("/login", body).error

        self.register("alice")
        self.assertEqual(error("alice", "as_secret"), (400, "M_EXCLUSIVE"))
        self.assertEqual(error("_bridge_nobody", "as_secret"), (403, "M_FORBIDDEN"))
        self.assertEqual(error("_bridge_nobody", "wrong"), (401, "M_UNKNOWN_TOKEN"))
        self.assertEqual(error("_bridge_nobody", ""), (401, "M_MISSING_TOKEN"))
        no_user = self.bot.post("/login", {"type": APPSERVICE})
        self.assertEqual(no_user.error, (400, "M_MISSING_PARAM"))


class RoomTests(ServiceTestCase):
    def test_sending_once_for_each_transaction_id(self) -> None:
        bob, eve = self.ghost("bob"), self.ghost("eve")
        room_id = bob.create_room(members=[eve])
        path = f"/rooms/{room_id}/send/m.room.message/txn"
        body = {"msgtype": "m.text", "body": "hello"}
        first = bob.put(path, body)["event_id"]
        self.assertEqual(bob.put(path, body)["event_id"], first)
        self.assertNotEqual(eve.put(path, body)["event_id"], first)

    def test_a_time_of_its_own(self) -> None:
        ghost, alice = self.ghost("bob"), self.register("alice")
        room_id = ghost.create_room(members=[alice])
        for client, wanted in ((ghost, 1234), (alice, self.now_ms())):
            path = f"/rooms/{room_id}/send/m.room.message/txn"
            event_id = client.request("PUT", path, {"msgtype": "m.text", "body": "then"}, query={"ts": 1234})[
                "event_id"
            ]
            event = alice.get(f"/rooms/{room_id}/event/{event_id}")
            self.assertEqual(event["origin_server_ts"], wanted)
        answer = ghost.request("PUT", f"/rooms/{room_id}/state/m.room.topic", {"topic": "x"}, query={"ts": 5})
        event = alice.get(f"/rooms/{room_id}/event/{answer['event_id']}")
        self.assertEqual(event["origin_server_ts"], 5)

    def now_ms(self) -> int:
        return int(self.reactor.seconds() * 1000)

    def test_aliases_of_the_service(self) -> None:
        alice, ghost = self.register("alice"), self.ghost("bob")
        alias = "#_bridge_room:test"
        room_id = alice.create_room()
        refused = alice.put(f"/directory/room/{alias}", {"room_id": room_id})
        self.assertEqual(refused.error, (400, "M_EXCLUSIVE"))
        refused = alice.post("/createRoom", {"room_alias_name": "_bridge_room"})
        self.assertEqual(refused.error, (400, "M_EXCLUSIVE"))
        own = ghost.create_room()
        self.assertEqual(ghost.put(f"/directory/room/{alias}", {"room_id": own}).status, 200)


class LimitTests(ServiceTestCase):
    settings = ("rc_message={per_second: 1, burst_count: 1}",)

    def test_none_for_the_service(self) -> None:
        ghost, alice = self.ghost("bob"), self.register("alice")
        room_id = ghost.create_room(members=[alice])
        for number in range(5):
            ghost.send(room_id, str(number))
            self.bot.get("/account/whoami")
        alice.send(room_id, "one")
        answer = alice.put(f"/rooms/{room_id}/send/m.room.message/two", {"msgtype": "m.text", "body": "two"})
        self.assertEqual(answer.error, (429, "M_LIMIT_EXCEEDED"))


class DeviceTests(ServiceTestCase):
    """https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3devicesdeviceid"""

    def test_devices_without_sessions(self) -> None:
        ghost = self.ghost("bob")
        made = ghost.put("/devices/PHONE", {"display_name": "Phone"})
        self.assertEqual((made.status, made.json), (201, {}))
        self.assertEqual(ghost.put("/devices/PHONE", {"display_name": "My phone"}).status, 200)
        self.assertEqual(ghost.get("/devices/PHONE")["display_name"], "My phone")
        on_phone = self.acting_as(ghost.user_id, "PHONE")
        self.assertEqual(on_phone.get("/account/whoami")["device_id"], "PHONE")
        self.assertEqual(ghost.put("/devices/" + "x" * 600, {}).error, (400, "M_INVALID_PARAM"))
        # Nobody is there to be asked for a password.
        self.assertEqual(ghost.delete("/devices/PHONE", {}).status, 200)
        self.assertEqual(ghost.get("/devices/PHONE").error, (404, "M_NOT_FOUND"))

    def test_users_make_none(self) -> None:
        alice = self.register("alice")
        self.assertEqual(alice.put("/devices/PHONE", {"display_name": "x"}).error, (404, "M_NOT_FOUND"))
