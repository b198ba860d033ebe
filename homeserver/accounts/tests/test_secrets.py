"""What only users may know is neither in the log nor in the database as it is."""

import logging
from typing import Any

from homeserver.accounts.tests.posts import MailTestCase
from homeserver.protocol.json import decode_json
from homeserver.storage.engine import Transaction
from tests.client import Json
from tests.wire import PASSWORD, WireClient

_TABLES = (
    "account",
    "account_device",
    "account_token",
    "account_interactive_auth",
    "account_short_lived_token",
    "account_address",
    "account_address_binding",
    "account_address_validation",
    "account_profile",
)
_SECRET_FIELDS = frozenset({"access_token", "refresh_token", "login_token", "session"})


class Everything(logging.Handler):
    """Keeps every record of every logger, as text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(message)s %(exc_text)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class SecretsTests(MailTestCase):
    settings = (*MailTestCase.settings, "login_via_existing_session={enabled: true}")

    def setUp(self) -> None:
        self.log = Everything()
        root = logging.getLogger()
        level = root.level
        root.addHandler(self.log)
        root.setLevel(logging.DEBUG)
        self.addCleanup(root.setLevel, level)
        self.addCleanup(root.removeHandler, self.log)
        super().setUp()
        self.secrets = {PASSWORD, "another password", "the.client=secret"}

    def noted(self, answer: Any) -> Any:
        """An answer whose secrets are remembered."""
        self.secrets |= {value for name, value in answer.json.items() if name in _SECRET_FIELDS}
        return answer

    def password(self, user: WireClient, password: str = PASSWORD) -> Json:
        identifier = {"type": "m.id.user", "user": user.user_id}
        return {"type": "m.login.password", "identifier": identifier, "password": password}

    def test_a_life_of_an_account(self) -> None:
        alice = self.register("alice")
        self.secrets.add(alice.access_token)
        login = self.password(alice)
        session = self.noted(self.anonymous.post("/login", {**login, "refresh_token": True})).json
        self.noted(self.anonymous.post("/refresh", {"refresh_token": session["refresh_token"]}))
        self.anonymous.post("/login", {**login, "password": "another password"})
        self.noted(alice.post(f"/user/{alice.user_id}/openid/request_token"))
        get_token = "/_matrix/client/v1/login/get_token"
        self.noted(alice.post(get_token))
        self.noted(alice.post(get_token, {"auth": login}))
        alice.request("GET", "/account/whoami", query={"access_token": alice.access_token})
        self.reset_password()
        self.noted(self.anonymous.post("/login", {**login, "password": "another password"}))
        self.check_log()
        self.check_database()

    def reset_password(self) -> None:
        body = {"client_secret": "the.client=secret", "email": "alice@example.org", "send_attempt": 1}
        sid = self.anonymous.post("/account/3pid/email/requestToken", body)["sid"]
        link = self.link()
        self.secrets.add(link.partition("token=")[2].partition("&")[0])
        self.open(link)
        alice = self.log_in(WireClient(self.site, "@alice:test"), "MAIL")
        self.secrets.add(alice.access_token)
        credentials = {"sid": sid, "client_secret": "the.client=secret"}
        self.assertEqual(
            alice.post("/account/3pid/add", {**credentials, "auth": self.password(alice)}).status, 200
        )
        sid = self.anonymous.post("/account/password/email/requestToken", body)["sid"]
        link = self.link()
        self.secrets.add(link.partition("token=")[2].partition("&")[0])
        self.open(link)
        auth = {"type": "m.login.email.identity", "threepid_creds": {**credentials, "sid": sid}}
        body = {"new_password": "another password", "auth": auth}
        self.assertEqual(self.anonymous.post("/account/password", body).status, 200)

    def check_log(self) -> None:
        self.assertGreater(len(self.log.lines), 10)
        text = "\n".join(self.log.lines)
        self.assertEqual([secret for secret in self.secrets if secret in text], [])

    def check_database(self) -> None:
        self.assertGreater(len(self.secrets), 10)
        text = self.successResultOf(self.server.db.read(_everything))
        self.assertIn("alice@example.org", text)
        self.assertEqual([secret for secret in self.secrets if secret in text], [])


def _everything(txn: Transaction) -> str:
    """All that is stored of accounts."""
    values = [value for table in _TABLES for row in txn.rows(f"SELECT * FROM {table}") for value in row]
    return "\n".join(_text(value) for value in values)


def _text(value: object) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)


class GuessingTests(MailTestCase):
    def test_login_says_the_same_of_everybody(self) -> None:
        self.register("alice")
        told = []
        for user in ("alice", "nobody", "@alice:elsewhere", "x" * 300):
            identifier = {"type": "m.id.user", "user": user}
            body = {"type": "m.login.password", "identifier": identifier, "password": "wrong"}
            answer = self.anonymous.post("/login", body)
            told.append((answer.status, decode_json(answer.body)))
        self.assertEqual([answer for answer in told if answer != told[0]], [])

    def test_each_answer_costs_one_hash(self) -> None:
        self.register("alice")
        counted: list[int] = []
        run = self.threads.run

        def count(call: Any, *args: Any, **kwargs: Any) -> Any:
            counted[-1] += "passwords" in getattr(call, "__module__", "")
            return run(call, *args, **kwargs)

        self.patch(self.threads, "run", count)
        for user in ("alice", "nobody"):
            counted.append(0)
            identifier = {"type": "m.id.user", "user": user}
            body = {"type": "m.login.password", "identifier": identifier, "password": "wrong"}
            self.anonymous.post("/login", body)
        self.assertEqual(counted, [1, 1])
