import hmac
from collections.abc import Sequence
from random import Random
from typing import cast

from twisted.internet.task import Clock as FakeReactor

from config.registration import Registration
from homeserver.accounts.tests.serving import PASSWORD, AccountsTestCase, Reply
from homeserver.admin.api.registration import SharedSecretEndpoints
from homeserver.admin.shared_secret_registration import Nonces, SharedSecretRegistration
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.runtime.randomness import Randomness

_PATH = "/_synapse/admin/v1/register"


class SharedSecretTestCase(AccountsTestCase):
    def endpoints(self) -> Sequence[object]:
        nonces = Nonces(self.clock, self.randomness)
        registration = SharedSecretRegistration(
            self.registration.shared_secret, nonces, self.usernames, self.newcomers
        )
        return [*super().endpoints(), SharedSecretEndpoints(registration, nonces, self.sessions)]

    def nonce(self) -> str:
        reply = self.request("GET", _PATH)
        self.assertEqual(reply.status, 200)
        nonce: str = reply.json["nonce"]
        return nonce

    def signed(self, **fields: JsonValue) -> JsonObject:
        body: JsonObject = {"nonce": self.nonce(), "username": "alice", "password": PASSWORD, **fields}
        parts = [body["nonce"], body["username"], body["password"]]
        parts.append("admin" if body.get("admin") else "notadmin")
        if body.get("user_type"):
            parts.append(body["user_type"])
        mac = hmac.new(b"the secret", "\0".join(parts).encode(), "sha1").hexdigest()
        return {**body, "mac": mac}

    def register(self, **fields: JsonValue) -> Reply:
        return self.request("POST", _PATH, self.signed(**fields))


class RegistrationTests(SharedSecretTestCase):
    def test_answer(self) -> None:
        reply = self.register()
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.json.keys(), {"user_id", "home_server", "access_token", "device_id"})
        self.assertEqual((reply.json["user_id"], reply.json["home_server"]), ("@alice:test", "test"))
        whoami = self.request("GET", "/account/whoami", token=reply.json["access_token"])
        self.assertEqual(whoami.json["user_id"], "@alice:test")
        self.login("alice")

    def test_administrator(self) -> None:
        for name, admin in (("alice", True), ("bob", False)):
            token = self.register(username=name, admin=admin).json["access_token"]
            requester = self.result_of(self.authenticator.requester(token, "", ""))
            self.assertIs(requester.is_admin, admin)

    def test_fields(self) -> None:
        reply = self.register(
            displayname="Alice",
            device_id="PHONE",
            initial_device_display_name="phone",
            refresh_token=True,
            user_type="bot",
        )
        self.assertEqual((reply.json["device_id"], reply.json["expires_in_ms"]), ("PHONE", 300_000))
        self.assertEqual(self.request("GET", "/profile/@alice:test").json, {"displayname": "Alice"})
        device = self.request("GET", "/devices/PHONE", token=reply.json["access_token"])
        self.assertEqual(device.json["display_name"], "phone")
        self.assertEqual(self.result_of(self.accounts.list())[0].user_type, "bot")

    def test_name_stands_for_a_display_name(self) -> None:
        self.register()
        self.assertEqual(self.request("GET", "/profile/@alice:test").json, {"displayname": "alice"})

    def test_login_may_be_inhibited(self) -> None:
        reply = self.register(inhibit_login=True)
        self.assertEqual(reply.json, {"user_id": "@alice:test", "home_server": "test"})

    def test_one_write_makes_it_all(self) -> None:
        body = self.signed()
        before = self.threads.calls
        self.request("POST", _PATH, body)
        self.assertEqual(self.threads.calls - before, 2)

    def test_capitals_are_signed_as_given(self) -> None:
        self.assertEqual(self.register(username="Alice").json["user_id"], "@alice:test")


class RefusalTests(SharedSecretTestCase):
    def test_wrong_hmac(self) -> None:
        for wrong in ("0" * 40, "", "ü"):
            reply = self.request("POST", _PATH, self.signed() | {"mac": wrong})
            self.assertEqual(reply.error, (403, "M_UNKNOWN"))
            self.assertEqual(reply.json["error"], "HMAC incorrect")

    def test_every_part_is_signed(self) -> None:
        for change in ({"username": "mallory"}, {"password": "x"}, {"admin": True}, {"user_type": "bot"}):
            self.assertEqual(self.request("POST", _PATH, self.signed() | change).error, (403, "M_UNKNOWN"))
        self.assertEqual(self.count("account"), 0)

    def test_nonce_is_good_once(self) -> None:
        body = self.signed()
        for expected in ((403, "HMAC incorrect"), (400, "unrecognised nonce")):
            reply = self.request("POST", _PATH, body | {"mac": "wrong"})
            self.assertEqual((reply.status, reply.json["error"]), expected)
        self.assertEqual(self.request("POST", _PATH, body).json["error"], "unrecognised nonce")

    def test_nonce_is_good_for_a_minute(self) -> None:
        young, old = self.signed(), self.signed(username="bob")
        self.reactor.advance(60)
        self.assertEqual(self.request("POST", _PATH, young).status, 200)
        self.reactor.advance(1)
        self.assertEqual(self.request("POST", _PATH, old).json["error"], "unrecognised nonce")

    def test_names(self) -> None:
        self.create("bob")
        for name, error in (("bob", "M_USER_IN_USE"), ("al ice", "M_INVALID_USERNAME")):
            self.assertEqual(self.register(username=name).error, (400, error))

    def test_bad_requests(self) -> None:
        good = self.signed()
        cases: list[tuple[JsonValue, str]] = [
            (b"{", "M_NOT_JSON"),
            ([], "M_BAD_JSON"),
            (good | {"username": 1}, "M_BAD_JSON"),
            (good | {"nonce": "unknown"}, "M_UNKNOWN"),
            (self.signed(password="x" * 513), "M_UNKNOWN"),
            (self.signed(password=""), "M_UNKNOWN"),
            (self.signed(user_type="king"), "M_UNKNOWN"),
            (self.signed(username="a\0b"), "M_UNKNOWN"),
            (self.signed(device_id="x" * 513), "M_INVALID_PARAM"),
        ]
        for name in ("nonce", "username", "password", "mac"):
            cases.append(({key: value for key, value in good.items() if key != name}, "M_BAD_JSON"))
        for body, error in cases:
            self.assertEqual(self.request("POST", _PATH, body).error, (400, error), body)
        self.assertEqual(self.count("account"), 0)


class NoSecretTests(SharedSecretTestCase):
    registration = Registration()

    def test_is_switched_off(self) -> None:
        reply = self.request("POST", _PATH, self.signed())
        self.assertEqual(reply.error, (400, "M_UNKNOWN"))
        self.assertEqual(reply.json["error"], "Shared secret registration is not enabled")


def test_nonces_end() -> None:
    reactor = FakeReactor()
    # Cast, because the interfaces in its signatures mean nothing to a type checker.
    nonces = Nonces(Clock(cast(ReactorTime, reactor)), Randomness(Random(1)))
    for _ in range(10_001):
        nonces.issue()
    assert len(nonces) == 10_000
    reactor.advance(61)
    nonces.forget_expired()
    assert len(nonces) == 0
