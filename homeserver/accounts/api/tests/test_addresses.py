from typing import Any

from homeserver.accounts.address import Address
from homeserver.accounts.store.accounts import account_by_user_id
from homeserver.accounts.store.addresses import insert_address
from homeserver.accounts.tests.posts import MailTestCase
from homeserver.protocol.identifiers import UserID
from tests.client import Answer, Json
from tests.wire import PASSWORD, WireClient, WireTestCase, each

_EMAIL = "alice@example.org"
_SECRET = "a.client=secret_-"
_CONFIRM = "/_folkmoot/v1/address/confirm"


class AddressTestCase(MailTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")

    def ask(self, where: str = "/account/3pid", **changes: Json) -> Answer:
        body = {"client_secret": _SECRET, "email": _EMAIL, "send_attempt": 1, **changes}
        return self.alice.post(f"{where}/email/requestToken", body)

    def password(self, user: WireClient) -> Json:
        identifier = {"type": "m.id.user", "user": user.user_id}
        return {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}

    def add(self, user: WireClient, sid: str, secret: str = _SECRET) -> Answer:
        body = {"sid": sid, "client_secret": secret, "auth": self.password(user)}
        return user.post("/account/3pid/add", body)

    def has(self, user: WireClient, email: str = _EMAIL) -> None:
        """The user proves to read the address."""
        sid = self.ask(email=email, client_secret=user.device_id)["sid"]
        self.assertEqual(self.open(self.link()).status, 200)
        self.assertEqual(self.add(user, sid, user.device_id).status, 200)

    def addresses(self, user: WireClient) -> list[str]:
        return [entry["address"] for entry in user.get("/account/3pid")["threepids"]]


class AddingTests(AddressTestCase):
    def test_from_the_mail_to_the_account(self) -> None:
        sid = self.ask(email="Alice@Example.ORG")["sid"]
        self.assertEqual(self.add(self.alice, sid).error, (400, "M_THREEPID_AUTH_FAILED"))
        self.assertIn("Thank you", self.open(self.link()).body.decode())
        self.advance(5)
        self.assertEqual(self.add(self.alice, sid).status, 200)
        (entry,) = self.alice.get("/account/3pid")["threepids"]
        now = int(self.reactor.seconds() * 1000)
        expected = {"medium": "email", "address": _EMAIL, "validated_at": now - 5000, "added_at": now}
        self.assertEqual(entry, expected)

    def test_only_with_the_secret_and_once(self) -> None:
        sid = self.ask()["sid"]
        self.open(self.link())
        self.assertEqual(self.add(self.bob, sid, "other").error, (400, "M_THREEPID_AUTH_FAILED"))
        self.assertEqual(self.add(self.alice, sid).status, 200)
        self.assertEqual(self.add(self.alice, sid).error, (400, "M_THREEPID_AUTH_FAILED"))

    def test_not_what_was_confirmed_for_something_else(self) -> None:
        for where in ("/register", "/account/password"):
            self.has(self.bob, f"{where.strip('/').replace('/', '.')}@example.org")
        sid = self.ask("/register")["sid"]
        self.open(self.link())
        self.assertEqual(self.add(self.alice, sid).error, (400, "M_THREEPID_AUTH_FAILED"))

    def test_an_attempt_is_made_once(self) -> None:
        first = self.ask()["sid"]
        self.assertEqual(len(self.mails()), 1)
        self.assertEqual(self.ask()["sid"], first)
        self.assertEqual(self.mails(), [])
        self.assertEqual(self.ask(send_attempt=2)["sid"], first)
        self.assertEqual(self.mails(), [(_EMAIL, "[test] Validate your email")])

    def test_an_address_of_another_is_not_told(self) -> None:
        self.has(self.bob)
        self.assertEqual(self.ask(client_secret="new").status, 200)
        self.assertEqual(self.mails(), [(_EMAIL, "[test] Email already in use")])

    def test_two_who_confirm_the_same(self) -> None:
        sids = {}
        for user in (self.alice, self.bob):
            sids[user.user_id] = self.ask(client_secret=user.device_id)["sid"]
            self.open(self.link())
        self.assertEqual(self.add(self.alice, sids[self.alice.user_id], self.alice.device_id).status, 200)
        answer = self.add(self.bob, sids[self.bob.user_id], self.bob.device_id)
        self.assertEqual(answer.error, (400, "M_THREEPID_IN_USE"))

    def test_bad_requests(self) -> None:
        cases: list[tuple[dict[str, Any], str]] = [
            ({"client_secret": ""}, "M_INVALID_PARAM"),
            ({"client_secret": "with space"}, "M_INVALID_PARAM"),
            ({"client_secret": "x" * 256}, "M_INVALID_PARAM"),
            ({"email": "nobody"}, "M_INVALID_PARAM"),
            ({"email": "a@b\r\nBcc: c@d"}, "M_INVALID_PARAM"),
            ({"send_attempt": "1"}, "M_BAD_JSON"),
            ({"next_link": "javascript:alert(1)"}, "M_INVALID_PARAM"),
            ({"next_link": "https://[x"}, "M_INVALID_PARAM"),
        ]
        each(lambda case: self.assertEqual(self.ask(**case[0]).error, (400, case[1])), cases)
        self.assertEqual(self.mails(), [])

    def test_phone_numbers(self) -> None:
        body = {"client_secret": _SECRET, "country": "DE", "phone_number": "030123456", "send_attempt": 1}
        for where in ("/register", "/account/3pid", "/account/password"):
            answer = self.alice.post(f"{where}/msisdn/requestToken", body)
            self.assertEqual(answer.error, (400, "M_THREEPID_MEDIUM_NOT_SUPPORTED"))


class LinkTests(AddressTestCase):
    def test_opening_it_does_nothing_yet(self) -> None:
        sid = self.ask()["sid"]
        self.anonymous.request("GET", self.link().removeprefix("https://test"))
        self.assertEqual(self.add(self.alice, sid).error, (400, "M_THREEPID_AUTH_FAILED"))

    def test_the_next_page(self) -> None:
        self.ask(next_link="https://example.org/done?a=b")
        answer = self.open(self.link())
        self.assertEqual((answer.status, answer.headers["location"]), (303, "https://example.org/done?a=b"))

    def test_links_that_are_not_good(self) -> None:
        sid = self.ask()["sid"]
        link = self.link()
        for query in ({}, {"sid": sid}, {"sid": sid, "token": "guess"}, {"token": link[-40:]}):
            self.assertEqual(self.anonymous.get(_CONFIRM, **query).status, 400)
            form = "&".join(f"{name}={value}" for name, value in query.items()).encode()
            self.assertEqual(self.anonymous.request("POST", _CONFIRM, form).status, 400)
        self.assertEqual(self.open(link).status, 200)

    def test_they_expire_and_are_forgotten(self) -> None:
        self.ask()
        link = self.link()
        self.advance(3600)
        self.assertIn("Too late", self.open(link).body.decode())
        self.advance(3600)
        self.assertEqual(self.count("account_address_validation"), 0)


class RemovingTests(AddressTestCase):
    def test_removing(self) -> None:
        self.has(self.alice)
        body = {"medium": "email", "address": "ALICE@example.org"}
        answer = self.alice.post("/account/3pid/delete", body)
        # "Or the homeserver was not able to determine an identity server to unbind from."
        self.assertEqual((answer.status, answer.json), (200, {"id_server_unbind_result": "no-support"}))
        self.assertEqual(self.addresses(self.alice), [])
        self.has(self.bob)

    def test_not_those_of_others(self) -> None:
        self.has(self.alice)
        self.bob.post("/account/3pid/delete", {"medium": "email", "address": _EMAIL})
        self.assertEqual(self.addresses(self.alice), [_EMAIL])

    def test_they_end_with_the_account(self) -> None:
        self.has(self.alice)
        self.alice.post("/account/deactivate", {"auth": self.password(self.alice)})
        self.assertEqual(self.count("account_address"), 0)
        self.alice = self.bob
        self.has(self.bob)

    def test_bad_requests(self) -> None:
        for path in ("/account/3pid/delete", "/account/3pid/unbind"):
            answer = self.alice.post(path, {"medium": "pigeon", "address": "x"})
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))
            answer = self.alice.post(path, {"medium": "email", "address": _EMAIL, "id_server": "a b"})
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))


class LoginTests(AddressTestCase):
    def log_in(self, **body: Json) -> Answer:  # type: ignore[override]  # by address, not as a user
        return self.anonymous.post("/login", {"type": "m.login.password", "password": PASSWORD, **body})

    def test_by_address(self) -> None:
        self.has(self.alice)
        for body in (
            {"identifier": {"type": "m.id.thirdparty", "medium": "email", "address": "Alice@example.org"}},
            {"medium": "email", "address": _EMAIL},
        ):
            self.assertEqual(self.log_in(**body)["user_id"], self.alice.user_id)
            self.assertEqual(self.log_in(**body, password="wrong").error, (403, "M_FORBIDDEN"))

    def test_by_phone(self) -> None:
        account = self.successResultOf(self.server.db.read(account_by_user_id, UserID(self.alice.user_id)))
        assert account is not None, "she has registered"
        number = Address("msisdn", "442079460958")
        self.successResultOf(self.server.db.write(insert_address, account.user_nid, number, 0, 0))

        def check(fields: Json) -> None:
            identifier = {"type": "m.id.phone", **fields}
            self.assertEqual(self.log_in(identifier=identifier)["user_id"], self.alice.user_id)

        each(
            check,
            [
                {"country": "GB", "phone": "020 7946 0958"},
                {"country": "gb", "phone": "(020) 7946-0958"},
                {"country": "US", "phone": "+44 20 7946 0958"},
                {"phone": "+442079460958"},
            ],
        )

    def test_what_is_no_phone_number(self) -> None:
        for fields, error in (
            ({"country": "GB", "phone": "hello"}, "M_INVALID_PARAM"),
            ({"country": "Atlantis", "phone": "020 7946 0958"}, "M_INVALID_PARAM"),
            ({"country": "GB", "phone": "1" * 1000}, "M_INVALID_PARAM"),
            ({"country": "GB"}, "M_MISSING_PARAM"),
        ):
            identifier = {"type": "m.id.phone", **fields}
            self.assertEqual(self.log_in(identifier=identifier).error, (400, error))

    def test_nobody_by_address(self) -> None:
        for identifier in (
            {"type": "m.id.thirdparty", "medium": "email", "address": "nobody@example.org"},
            {"type": "m.id.phone", "country": "DE", "phone": "030 12345"},
        ):
            self.assertEqual(self.log_in(identifier=identifier).error, (403, "M_FORBIDDEN"))


class ResetTests(AddressTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.has(self.alice)

    def reset(self, sid: str, secret: str = _SECRET, **body: Json) -> Answer:
        creds = {"sid": sid, "client_secret": secret}
        auth = {"type": "m.login.email.identity", "threepid_creds": creds}
        return self.anonymous.post("/account/password", {"new_password": "new secret", "auth": auth, **body})

    def test_a_new_password(self) -> None:
        answer = self.anonymous.post("/account/password", {"new_password": "new secret"})
        self.assertEqual(answer.json["flows"], [{"stages": ["m.login.email.identity"]}])
        sid = self.ask("/account/password")["sid"]
        answer = self.reset(sid)
        self.assertEqual((answer.status, answer.json["errcode"]), (401, "M_UNAUTHORIZED"))
        self.open(self.link())
        self.assertEqual(self.reset(sid).status, 200)
        self.assertEqual(self.alice.get("/account/whoami").error, (401, "M_UNKNOWN_TOKEN"))
        body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "alice"}}
        self.assertEqual(self.anonymous.post("/login", {**body, "password": "new secret"}).status, 200)
        self.assertEqual(self.anonymous.post("/login", {**body, "password": PASSWORD}).status, 403)

    def test_sessions_may_stay(self) -> None:
        sid = self.ask("/account/password")["sid"]
        self.open(self.link())
        self.assertEqual(self.reset(sid, logout_devices=False).status, 200)
        self.assertEqual(self.alice.get("/account/whoami").status, 200)

    def test_it_serves_once(self) -> None:
        sid = self.ask("/account/password")["sid"]
        self.open(self.link())
        self.assertEqual(self.reset(sid).status, 200)
        self.assertEqual(self.reset(sid).error, (401, "M_UNAUTHORIZED"))

    def test_not_by_what_was_confirmed_for_something_else(self) -> None:
        sid = self.ask(client_secret="another")["sid"]
        self.taken()
        self.assertEqual(self.reset(sid, "another").error, (401, "M_UNAUTHORIZED"))

    def test_nobody_learns_who_has_an_account(self) -> None:
        known, unknown = (
            self.ask("/account/password", email=email) for email in (_EMAIL, "nobody@example.org")
        )
        self.assertEqual((known.status, known.json.keys()), (unknown.status, unknown.json.keys()))
        self.assertEqual(self.mails(), [(_EMAIL, "[test] Password reset")])
        self.assertEqual(
            self.reset(known["sid"]).json.keys() - {"session"},
            self.reset(unknown["sid"]).json.keys() - {"session"},
        )


class TellingTests(AddressTestCase):
    settings = (*AddressTestCase.settings, "request_token_inhibit_3pid_errors=false")

    def test_where_the_operator_wants_it(self) -> None:
        self.assertEqual(self.ask("/account/password").error, (400, "M_THREEPID_NOT_FOUND"))
        self.has(self.alice)
        for where in ("/account/3pid", "/register"):
            self.assertEqual(self.ask(where, send_attempt=2).error, (400, "M_THREEPID_IN_USE"))


class RulesTests(AddressTestCase):
    settings = (
        *AddressTestCase.settings,
        "allowed_local_3pids=[{medium: email, pattern: '^[^@]+@example\\.org$'}]",
        "next_link_domain_whitelist=[example.org]",
        "rc_3pid_validation={per_second: 0.01, burst_count: 3}",
    )

    def test_which_addresses(self) -> None:
        answer = self.ask(email="alice@example.com")
        self.assertEqual(answer.error, (403, "M_THREEPID_DENIED"))

    def test_where_links_lead(self) -> None:
        self.assertEqual(self.ask(next_link="https://evil.test/").error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.ask(next_link="https://example.org/").status, 200)

    def test_how_often(self) -> None:
        statuses = [self.ask(send_attempt=attempt).status for attempt in range(4)]
        self.assertEqual(statuses, [200, 200, 200, 429])


class FixedAddressesTests(AddressTestCase):
    settings = (*AddressTestCase.settings, "enable_3pid_changes=false")

    def test_nobody_changes_them(self) -> None:
        self.assertEqual(self.ask().error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.add(self.alice, "x").error, (403, "M_FORBIDDEN"))
        answer = self.alice.post("/account/3pid/delete", {"medium": "email", "address": _EMAIL})
        self.assertEqual(answer.error, (403, "M_FORBIDDEN"))
        capabilities = self.alice.get("/capabilities")["capabilities"]
        self.assertEqual(capabilities["m.3pid_changes"], {"enabled": False})


class WithoutMailTests(WireTestCase):
    def test_there_is_none(self) -> None:
        body = {"client_secret": _SECRET, "email": _EMAIL, "send_attempt": 1}
        for where in ("/register", "/account/3pid", "/account/password"):
            answer = self.anonymous.post(f"{where}/email/requestToken", body)
            self.assertEqual(answer.error, (400, "M_THREEPID_MEDIUM_NOT_SUPPORTED"))
        answer = self.anonymous.post("/account/password", {"new_password": "new secret"})
        self.assertEqual(answer.error, (401, "M_MISSING_TOKEN"))
