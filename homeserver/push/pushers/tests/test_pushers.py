"""Setting, listing and removing pushers."""

from homeserver.push.pushers.tests.pushed import PUSHER, URL, PushTestCase
from tests.client import Json
from tests.wire import PASSWORD, each

SET = "/pushers/set"


class SetTests(PushTestCase):
    def test_what_is_set_is_listed(self) -> None:
        [pusher] = self.alice.get("/pushers")["pushers"]
        self.assertEqual({name: pusher[name] for name in PUSHER}, PUSHER)
        self.assertEqual(pusher["org.matrix.msc3881.device_id"], self.alice.device_id)
        self.assertEqual(self.bob.get("/pushers").json, {"pushers": []})

    def test_it_is_updated(self) -> None:
        self.set_pusher(self.alice, lang="de", data={"url": URL, "format": "event_id_only"})
        [pusher] = self.alice.get("/pushers")["pushers"]
        self.assertEqual((pusher["lang"], pusher["data"]["format"]), ("de", "event_id_only"))

    def test_one_user_has_several(self) -> None:
        self.set_pusher(self.alice, pushkey="OTHER")
        self.set_pusher(self.alice, app_id="other.app")
        self.assertEqual(self.pushers(self.alice), ["KEY", "OTHER", "KEY"])

    def test_null_removes(self) -> None:
        self.set_pusher(self.alice, pushkey="OTHER")
        body = {"kind": None, "app_id": PUSHER["app_id"], "pushkey": "KEY"}
        self.assertEqual(self.alice.post(SET, body).json, {})
        self.assertEqual(self.pushers(self.alice), ["OTHER"])
        self.assertEqual(self.alice.post(SET, body).json, {})
        self.say()
        self.assertEqual(len(self.gateway.events), 1)

    def test_others_keep_theirs(self) -> None:
        self.bob.post(SET, {"kind": None, "app_id": PUSHER["app_id"], "pushkey": "KEY"})
        self.assertEqual(self.pushers(self.alice), ["KEY"])

    def test_the_phone_goes_to_somebody_else(self) -> None:
        self.set_pusher(self.bob)
        self.assertEqual((self.pushers(self.alice), self.pushers(self.bob)), ([], ["KEY"]))
        self.say(self.carol)
        self.assertEqual(len(self.gateway.events), 1)

    def test_two_accounts_on_one_phone(self) -> None:
        self.set_pusher(self.bob, append=True)
        self.assertEqual((self.pushers(self.alice), self.pushers(self.bob)), (["KEY"], ["KEY"]))
        self.say(self.carol)
        self.assertEqual(len(self.gateway.events), 2)

    def test_bad_requests(self) -> None:
        cases: list[tuple[Json, str]] = [
            ({"kind": "pigeon"}, "M_INVALID_PARAM"),
            ({"kind": 1}, "M_BAD_JSON"),
            ({"app_id": None}, "M_BAD_JSON"),
            ({"app_id": "a" * 65}, "M_BAD_JSON"),
            ({"app_id": "a\0"}, "M_INVALID_PARAM"),
            ({"pushkey": ""}, "M_BAD_JSON"),
            ({"pushkey": "ä" * 257}, "M_INVALID_PARAM"),
            ({"lang": "\0"}, "M_INVALID_PARAM"),
            ({"lang": None}, "M_MISSING_PARAM"),
            ({"data": None}, "M_MISSING_PARAM"),
            ({"data": {}}, "M_MISSING_PARAM"),
            ({"data": {"url": 1}}, "M_INVALID_PARAM"),
            ({"data": {"url": "https://[/_matrix/push/v1/notify"}}, "M_INVALID_PARAM"),
            ({"data": {"url": "ftp://gateway.example/_matrix/push/v1/notify"}}, "M_INVALID_PARAM"),
            ({"data": {"url": "https://gateway.example/elsewhere"}}, "M_INVALID_PARAM"),
            ({"data": {"url": URL, "more": "x" * 20_000}}, "M_INVALID_PARAM"),
        ]

        def check(case: tuple[Json, str]) -> None:
            changes, errcode = case
            self.assertEqual(self.alice.post(SET, {**PUSHER, **changes}).error, (400, errcode))

        each(check, cases)
        for name in ("app_id", "pushkey", "kind"):
            body = {key: value for key, value in PUSHER.items() if key != name}
            self.assertEqual(self.alice.post(SET, body).error, (400, "M_MISSING_PARAM"))
        self.assertEqual(self.anonymous.get("/pushers").error, (401, "M_MISSING_TOKEN"))
        self.assertEqual(self.pushers(self.alice), ["KEY"])

    def test_there_are_not_too_many(self) -> None:
        for number in range(99):
            self.set_pusher(self.alice, pushkey=str(number))
        answer = self.alice.post(SET, {**PUSHER, "pushkey": "more"})
        self.assertEqual(answer.error, (429, "M_LIMIT_EXCEEDED"))
        self.set_pusher(self.alice, pushkey="1", lang="fr")


class EndTests(PushTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.phone = self.log_in(self.alice, "PHONE")
        self.set_pusher(self.phone, pushkey="PHONE")

    def test_logout(self) -> None:
        self.phone.post("/logout")
        self.assertEqual(self.pushers(self.alice), ["KEY"])
        self.say()
        self.assertEqual([one["devices"][0]["pushkey"] for one in self.gateway.notifications], ["KEY"])

    def test_logout_everywhere(self) -> None:
        self.alice.post("/logout/all")
        self.assertEqual(self.count("pusher"), 0)

    def test_deletion_of_the_device(self) -> None:
        identifier = {"type": "m.id.user", "user": self.alice.user_id}
        auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        self.assertEqual(self.alice.delete("/devices/PHONE", {"auth": auth}).json, {})
        self.assertEqual(self.pushers(self.alice), ["KEY"])

    def test_the_end_of_the_account(self) -> None:
        identifier = {"type": "m.id.user", "user": self.alice.user_id}
        auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        self.alice.post("/account/deactivate", {"auth": auth})
        self.assertEqual(self.count("pusher"), 0)

    def test_sessions_that_ended_unnoticed(self) -> None:
        def end(txn: object) -> None:
            txn.execute("DELETE FROM account_token")  # type: ignore[attr-defined]  # a Transaction
            txn.execute("DELETE FROM account_device WHERE device_id = 'PHONE'")  # type: ignore[attr-defined]  # the same

        self.successResultOf(self.server.db.write(end))
        self.assertEqual(self.count("pusher"), 2)
        self.advance(3600)
        self.assertEqual(self.count("pusher"), 1)


class SwitchTests(PushTestCase):
    """MSC3881."""

    def test_another_session_switches_it_off_and_on(self) -> None:
        desktop = self.log_in(self.alice, "DESKTOP")
        self.set_pusher(desktop, **{"org.matrix.msc3881.enabled": False})
        [pusher] = self.alice.get("/pushers")["pushers"]
        self.assertFalse(pusher["org.matrix.msc3881.enabled"])
        self.assertEqual(pusher["org.matrix.msc3881.device_id"], self.alice.device_id)
        self.say()
        self.assertEqual(self.gateway.events, [])
        self.set_pusher(desktop, **{"org.matrix.msc3881.enabled": True})
        event = self.say()
        self.assertEqual(self.gateway.events, [event])

    def test_clients_can_know(self) -> None:
        features = self.anonymous.get("/_matrix/client/versions")["unstable_features"]
        self.assertTrue(features["org.matrix.msc3881"])


class PushersForAdministratorsTests(PushTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.admin = self.register_admin("admin")

    def path(self, user_id: str) -> str:
        return f"/_synapse/admin/v1/users/{user_id}/pushers"

    def test_those_of_a_user(self) -> None:
        listed = self.admin.get(self.path(self.alice.user_id)).json
        self.assertEqual(listed, {**self.alice.get("/pushers").json, "total": 1})
        self.assertEqual(self.admin.get(self.path(self.bob.user_id)).json, {"pushers": [], "total": 0})

    def test_who_may(self) -> None:
        path = self.path(self.alice.user_id)
        self.assertEqual(self.alice.get(path).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.anonymous.get(path).error, (401, "M_MISSING_TOKEN"))

    def test_users_that_there_are_not(self) -> None:
        self.assertEqual(self.admin.get(self.path("@nobody:test")).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.admin.get(self.path("@a:other.example")).error, (400, "M_INVALID_PARAM"))
