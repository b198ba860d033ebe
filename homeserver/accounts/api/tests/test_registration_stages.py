"""Registration as operators may want it: by token, with terms, captcha or an address, and by guests."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, cast
from unittest.mock import patch

from homeserver.accounts.recaptcha import Recaptcha
from homeserver.accounts.registration_tokens import RegistrationTokens
from homeserver.accounts.store.registration_tokens import RegistrationToken
from homeserver.accounts.tests.posts import MailTestCase
from homeserver.protocol.errors import InvalidParam, NotFound
from homeserver.runtime.clock import Clock, ReactorTime
from tests.client import Answer, Json
from tests.wire import PASSWORD, WireClient, WireTestCase

_TOKEN, _TERMS, _CAPTCHA = "m.login.registration_token", "m.login.terms", "m.login.recaptcha"
_DUMMY, _EMAIL = "m.login.dummy", "m.login.email.identity"
_VALIDITY = f"/_matrix/client/v1/register/{_TOKEN}/validity"


class StagesTestCase(WireTestCase):
    def ask(self, auth: Json = None, username: str = "alice", **body: Json) -> Answer:
        request = {"username": username, "password": PASSWORD, **body}
        return self.anonymous.post("/register", {**request, **({} if auth is None else {"auth": auth})})

    def flows(self) -> list[list[str]]:
        return [flow["stages"] for flow in self.ask().json["flows"]]

    def begin(self, username: str = "alice") -> str:
        session: str = self.ask(username=username).json["session"]
        return session

    def page(self, stage: str, session: str, **form: str) -> Answer:
        """Goes through a stage in a browser."""
        body = "&".join(f"{name}={value}" for name, value in {"session": session, **form}.items())
        return self.anonymous.request("POST", f"/auth/{stage}/fallback/web", body.encode())

    def tokens(self) -> RegistrationTokens:
        return RegistrationTokens(self.server.db, Clock(cast(ReactorTime, self.reactor)), self.randomness)


class TokenTests(StagesTestCase):
    settings = (
        "registration_requires_token=true",
        "rc_registration_token_validity={per_second: 1000, burst_count: 1000}",
    )

    def token(self, **options: Json) -> str:
        return self.result_of(self.tokens().create(**options)).token

    def auth(self, token: str, **fields: Json) -> Json:
        return {"type": _TOKEN, "token": token, **fields}

    def register_by(self, token: str, username: str) -> Answer:
        session = self.begin(username)
        self.ask(self.auth(token, session=session), username)
        return self.ask({"type": _DUMMY, "session": session}, username)

    def test_who_has_one_registers(self) -> None:
        self.assertEqual(self.flows(), [[_TOKEN, _DUMMY]])
        answer = self.ask(self.auth(self.token()))
        self.assertEqual((answer.status, answer.json["completed"]), (401, [_TOKEN]))
        answer = self.ask({"type": _DUMMY, "session": answer.json["session"]})
        self.assertEqual(answer["user_id"], "@alice:test")

    def test_who_has_none_does_not(self) -> None:
        answer = self.ask(self.auth("guess"))
        self.assertEqual((answer.status, answer.json["errcode"]), (401, "M_UNAUTHORIZED"))
        self.assertNotIn("completed", answer.json)
        self.assertEqual(self.ask({"type": _DUMMY}).status, 401)
        self.assertEqual(self.ask({"type": _TOKEN}).error, (400, "M_BAD_JSON"))

    def test_as_often_as_allowed(self) -> None:
        token = self.token(uses_allowed=2)
        for username in ("a1", "a2"):
            self.assertEqual(self.register_by(token, username).status, 200)
        self.assertEqual(self.register_by(token, "a3").status, 401)
        self.assertEqual(self.result_of(self.tokens().get(token)).completed, 2)

    def test_the_last_use_is_one_alone(self) -> None:
        token = self.token(uses_allowed=1)
        sessions = {name: self.begin(name) for name in ("a1", "a2")}
        for name, session in sessions.items():
            self.ask(self.auth(token, session=session), name)
        outcomes = [self.ask({"type": _DUMMY, "session": sessions[name]}, name).status for name in sessions]
        self.assertEqual(outcomes, [200, 403])

    def test_until_it_expires(self) -> None:
        token = self.token(expires_at=int(self.reactor.seconds() * 1000) + 10_000)
        self.assertEqual(self.anonymous.get(_VALIDITY, token=token).json, {"valid": True})
        self.advance(10)
        self.assertEqual(self.anonymous.get(_VALIDITY, token=token).json, {"valid": False})
        self.assertEqual(self.register_by(token, "alice").status, 401)

    def test_validity(self) -> None:
        self.assertEqual(self.anonymous.get(_VALIDITY, token="none").json, {"valid": False})
        self.assertEqual(self.anonymous.get(_VALIDITY).error, (400, "M_MISSING_PARAM"))

    def test_stages_make_one_account(self) -> None:
        body = {"password": PASSWORD}
        session = self.anonymous.post("/register", body).json["session"]
        for auth in (self.auth(self.token(), session=session), {"type": _DUMMY, "session": session}):
            answer = self.anonymous.post("/register", {**body, "auth": auth})
        self.assertEqual(answer.status, 200)
        answer = self.anonymous.post("/register", {**body, "auth": {"session": session}})
        self.assertEqual(answer.error, (400, "M_UNKNOWN"))

    def test_in_a_browser(self) -> None:
        token, session = self.token(), self.begin()
        page = self.anonymous.get(f"/auth/{_TOKEN}/fallback/web", session=session)
        self.assertEqual((page.status, page.headers["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertIn(f'value="{session}"', page.body.decode())
        self.assertEqual(self.page(_TOKEN, session, token="guess").status, 401)
        self.assertIn("onAuthDone", self.page(_TOKEN, session, token=token).body.decode())
        self.assertEqual(self.ask({"session": session}).json["completed"], [_TOKEN])
        self.assertEqual(self.ask({"type": _DUMMY, "session": session}).status, 200)

    def test_pages_without_a_session(self) -> None:
        for session in ("", "unknown", "<script>"):
            page = self.anonymous.get(f"/auth/{_TOKEN}/fallback/web", session=session)
            self.assertEqual(page.status, 400)
            self.assertNotIn("<script>", page.body.decode())
            self.assertEqual(self.page(_TOKEN, session, token="x").status, 400)

    def test_pages_that_are_not(self) -> None:
        for stage in ("m.login.sso", "m.oauth", "m.login.email.identity", "m.login.password", "x"):
            self.assertEqual(self.anonymous.get(f"/auth/{stage}/fallback/web", session="x").status, 404)
            self.assertEqual(self.page(stage, "x").status, 404)

    def test_what_administrators_do_with_them(self) -> None:
        tokens, now = self.tokens(), int(self.reactor.seconds() * 1000)
        self.token(token="one", uses_allowed=1)
        self.token(token="none", uses_allowed=0)
        self.assertEqual([token.token for token in self.result_of(tokens.list())], ["none", "one"])
        self.assertEqual([token.token for token in self.result_of(tokens.list(valid=True))], ["one"])
        self.result_of(tokens.update(RegistrationToken("none", None, 0, now + 1)))
        self.assertTrue(self.result_of(tokens.is_valid("none")))
        self.result_of(tokens.delete("none"))
        for work, error in (
            (tokens.get("none"), NotFound),
            (tokens.delete("none"), NotFound),
            (tokens.update(RegistrationToken("none", None, 0, None)), NotFound),
            (tokens.create("one"), InvalidParam),
            (tokens.create("with space"), InvalidParam),
            (tokens.create("x" * 65), InvalidParam),
            (tokens.create(uses_allowed=-1), InvalidParam),
            (tokens.create(expires_at=now), InvalidParam),
        ):
            self.failure_of(work, error)


class SlowTokenTests(StagesTestCase):
    settings = (
        "registration_requires_token=true",
        "rc_registration_token_validity={per_second: 0.1, burst_count: 5}",
    )

    def test_guessing_is_slowed_down(self) -> None:
        statuses = [self.anonymous.get(_VALIDITY, token="x").status for _ in range(6)]
        self.assertEqual(statuses, [200] * 5 + [429])


class ClosedTests(StagesTestCase):
    settings = ("enable_registration=false",)

    def test_no_token_opens_it(self) -> None:
        self.assertEqual(self.anonymous.get(_VALIDITY, token="x").error, (403, "M_FORBIDDEN"))


class TermsTests(StagesTestCase):
    directory: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        terms = TemporaryDirectory()
        cls.addClassCleanup(terms.cleanup)
        (Path(terms.name) / "en").mkdir()
        (Path(terms.name) / "en" / "1.0.html").write_text("<h1>Be kind</h1>{{ version }}{{ server_name }}")
        cls.settings = (
            f"user_consent={{version: '1.0', template_dir: {terms.name}, require_at_registration: true}}",
            "public_baseurl=https://hs.test/",
            "listeners=[{port: 8008, type: http, resources: [{names: [client, consent]}]}]",
        )

    def test_they_are_shown_and_accepted(self) -> None:
        answer = self.ask()
        self.assertEqual(self.flows(), [[_TERMS, _DUMMY]])
        policy = answer.json["params"][_TERMS]["policies"]["privacy_policy"]
        self.assertEqual(policy["version"], "1.0")
        url = policy["en"]["url"]
        self.assertEqual(url, "https://hs.test/_matrix/consent?v=1.0")
        page = self.anonymous.get("/_matrix/consent", v="1.0")
        self.assertEqual(page.body, b"<h1>Be kind</h1>1.0test")
        session = answer.json["session"]
        self.ask({"type": _TERMS, "session": session})
        self.assertEqual(self.ask({"type": _DUMMY, "session": session}).status, 200)
        self.assertEqual(self.accepted(), "1.0")

    def test_in_a_browser(self) -> None:
        session = self.begin()
        page = self.anonymous.get(f"/auth/{_TERMS}/fallback/web", session=session)
        self.assertIn('href="https://hs.test/_matrix/consent?v=1.0"', page.body.decode())
        self.assertEqual(self.page(_TERMS, session).status, 200)
        self.assertEqual(self.ask({"type": _DUMMY, "session": session}).status, 200)

    def test_terms_that_are_not(self) -> None:
        for version in ("2.0", "../../../etc/passwd", "", "a b"):
            expected = 200 if version == "" else 404
            self.assertEqual(self.anonymous.get("/_matrix/consent", v=version).status, expected)

    def accepted(self) -> object:
        def read(txn: object) -> object:
            return txn.row("SELECT accepted_terms FROM account")[0]  # type: ignore[attr-defined]  # a Transaction

        return self.successResultOf(self.server.db.read(read))


class CaptchaTests(StagesTestCase):
    settings = (
        "enable_registration_captcha=true",
        "recaptcha_public_key=public",
        "recaptcha_private_key=private",
        "enable_registration_without_verification=false",
        "rc_registration_token_validity={per_second: 1000, burst_count: 1000}",
    )

    def setUp(self) -> None:
        async def is_human(_: Recaptcha, response: str) -> bool:
            return response == "right"

        replaced = patch.object(Recaptcha, "is_human", is_human)
        replaced.start()
        self.addCleanup(replaced.stop)
        super().setUp()

    def test_right_and_wrong(self) -> None:
        answer = self.ask()
        self.assertEqual(answer.json["params"], {_CAPTCHA: {"public_key": "public"}})
        session = answer.json["session"]
        for fields, errcode in (({}, "M_CAPTCHA_NEEDED"), ({"response": "wrong"}, "M_CAPTCHA_INVALID")):
            answer = self.ask({"type": _CAPTCHA, "session": session, **fields})
            self.assertEqual((answer.status, answer.json["errcode"]), (401, errcode))
        self.ask({"type": _CAPTCHA, "session": session, "response": "right"})
        self.assertEqual(self.ask({"type": _DUMMY, "session": session}).status, 200)

    def test_in_a_browser(self) -> None:
        session = self.begin()
        page = self.anonymous.get(f"/auth/{_CAPTCHA}/fallback/web", session=session)
        self.assertIn('data-sitekey="public"', page.body.decode())
        self.assertIn("https://www.recaptcha.net", page.headers["content-security-policy"])
        self.assertEqual(self.page(_CAPTCHA, session, **{"g-recaptcha-response": "wrong"}).status, 401)
        self.assertEqual(self.page(_CAPTCHA, session, **{"g-recaptcha-response": "right"}).status, 200)


class EmailTests(StagesTestCase, MailTestCase):
    settings: ClassVar[Sequence[str]] = MailTestCase.settings

    def confirm(self, email: str = "alice@example.org") -> Json:
        body = {"client_secret": "secret", "email": email, "send_attempt": 1}
        sid = self.anonymous.post("/register/email/requestToken", body)["sid"]
        self.open(self.link())
        return {"type": _EMAIL, "threepid_creds": {"sid": sid, "client_secret": "secret"}}

    def test_an_address_can_be_given(self) -> None:
        self.assertEqual(self.flows(), [[_DUMMY], [_EMAIL]])
        alice = self._signed_in(self.ask(self.confirm()))
        (address,) = alice.get("/account/3pid")["threepids"]
        self.assertEqual(address["address"], "alice@example.org")

    def test_it_must_be_confirmed(self) -> None:
        body = {"client_secret": "secret", "email": "alice@example.org", "send_attempt": 1}
        sid = self.anonymous.post("/register/email/requestToken", body)["sid"]
        session = self.begin()
        creds = {"sid": sid, "client_secret": "secret"}
        auth = {"type": _EMAIL, "session": session, "threepid_creds": creds}
        answer = self.ask(auth)
        self.assertEqual((answer.status, answer.json["errcode"]), (401, "M_UNAUTHORIZED"))
        self.open(self.link())
        self.assertEqual(self.ask(auth).status, 200)

    def test_one_account_for_an_address(self) -> None:
        auth = self.confirm()
        self.assertEqual(self.ask(auth).status, 200)
        self.assertEqual(self.ask(auth, "bob").status, 401)


class EmailNeededTests(EmailTests):
    settings = (*MailTestCase.settings, "registrations_require_3pid=[email]")

    def test_an_address_can_be_given(self) -> None:
        self.assertEqual(self.flows(), [[_EMAIL]])
        self.assertEqual(self.ask({"type": _DUMMY}).status, 401)
        self.assertEqual(self.ask(self.confirm()).status, 200)


class BypassTests(StagesTestCase, MailTestCase):
    settings = (
        *MailTestCase.settings,
        "registrations_require_3pid=[email]",
        "enable_registration_token_3pid_bypass=true",
    )

    def test_a_token_instead_of_an_address(self) -> None:
        self.assertEqual(self.flows(), [[_EMAIL], [_TOKEN, _DUMMY]])


class GuestTests(StagesTestCase):
    settings = ("allow_guest_access=true",)

    def guest(self) -> WireClient:
        return self._signed_in(self.anonymous.request("POST", "/register", {}, query={"kind": "guest"}))

    def test_guests_come_in(self) -> None:
        guest = self.guest()
        self.assertRegex(guest.user_id, r"^@\d+:test$")
        whoami = guest.get("/account/whoami").json
        self.assertEqual((whoami["is_guest"], whoami["device_id"]), (True, guest.device_id))
        for method, path, body in (
            ("POST", "/createRoom", {}),
            ("POST", "/account/password", {"new_password": "x" * 10}),
            ("POST", "/account/deactivate", {}),
            ("GET", "/account/3pid", None),
        ):
            self.assertEqual(guest.request(method, path, body).error, (403, "M_GUEST_ACCESS_FORBIDDEN"))

    def test_guests_have_a_name_and_no_more(self) -> None:
        guest = self.guest()
        path = f"/profile/{guest.user_id}"
        self.assertEqual(guest.put(f"{path}/displayname", {"displayname": "Gast"}).status, 200)
        self.assertEqual(guest.delete(f"{path}/displayname").status, 200)
        for key in ("avatar_url", "org.example.colour"):
            answer = guest.put(f"{path}/{key}", {key: "mxc://test/a"})
            self.assertEqual(answer.error, (403, "M_GUEST_ACCESS_FORBIDDEN"))

    def test_a_guest_becomes_a_user(self) -> None:
        guest = self.guest()
        localpart = guest.user_id[1:].partition(":")[0]
        auth = {"type": _DUMMY}
        answer = self.ask(auth, localpart, guest_access_token=guest.access_token)
        self.assertEqual(answer["user_id"], guest.user_id)
        self.assertEqual(guest.get("/account/whoami").error, (401, "M_UNKNOWN_TOKEN"))
        user = self._signed_in(answer)
        self.assertIs(user.get("/account/whoami")["is_guest"], False)
        self.assertEqual(self.log_in(user, "OTHER").get("/account/whoami").status, 200)

    def test_who_does_not_become_one(self) -> None:
        guest, user = self.guest(), self.register("bob")
        auth = {"type": _DUMMY}
        localpart = guest.user_id[1:].partition(":")[0]
        for username, token, error in (
            ("alice", guest.access_token, (403, "M_FORBIDDEN")),
            ("bob", user.access_token, (403, "M_FORBIDDEN")),
            (localpart, user.access_token, (403, "M_FORBIDDEN")),
            (localpart, "nonsense", (401, "M_UNKNOWN_TOKEN")),
        ):
            self.assertEqual(self.ask(auth, username, guest_access_token=token).error, error)
        self.assertEqual(self.ask(auth, localpart).error, (400, "M_INVALID_USERNAME"))


class NamesTests(StagesTestCase):
    settings = ("inhibit_user_in_use_error=true", "allow_underscore_prefixed_localpart=true")

    def test_taken_names_are_told_at_the_end(self) -> None:
        self.register("alice")
        self.assertEqual(
            self.anonymous.get("/register/available", username="alice").json, {"available": True}
        )
        self.assertEqual(self.ask().status, 401)
        self.assertEqual(self.ask({"type": _DUMMY}).error, (400, "M_USER_IN_USE"))

    def test_underscores(self) -> None:
        self.assertEqual(self.ask({"type": _DUMMY}, "_irc_bob").status, 200)


class SsoTests(WireTestCase):
    def test_there_is_none(self) -> None:
        for path in ("/login/sso/redirect", "/login/sso/redirect/idp"):
            page = self.anonymous.get(path, redirectUrl="https://app.test/")
            self.assertEqual((page.status, page.headers["content-type"]), (404, "text/html; charset=utf-8"))
        self.assertEqual(self.anonymous.get("/login/sso/redirect").error, (400, "M_MISSING_PARAM"))
