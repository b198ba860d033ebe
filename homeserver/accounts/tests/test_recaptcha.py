from typing import Any
from urllib.parse import parse_qs

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from homeserver.accounts.recaptcha import Recaptcha
from homeserver.accounts.tests.others import PlayedOutbound
from homeserver.protocol.errors import ServerUnavailable

_URL = "https://captcha.test/verify"


class RecaptchaTests(SynchronousTestCase):
    def ask(self, *answer: Any) -> Any:
        self.outbound = PlayedOutbound({_URL: answer} if answer else {})
        outcomes: list[Any] = []
        asking = Deferred.fromCoroutine(Recaptcha(self.outbound, _URL, "key").is_human("a&b"))
        asking.addBoth(lambda outcome: outcomes.append(getattr(outcome, "value", outcome)))
        return outcomes[0]

    def test_verdicts(self) -> None:
        self.assertIs(self.ask(200, {"success": True}), True)
        ((method, url, headers, body),) = self.outbound.asked
        self.assertEqual((method, url), ("POST", _URL))
        self.assertEqual(headers["Content-Type"], "application/x-www-form-urlencoded")
        self.assertEqual(parse_qs(body.decode()), {"secret": ["key"], "response": ["a&b"]})
        answers: tuple[Any, ...] = ({"success": False}, {}, {"success": "true"}, [], None)
        for answer in answers:
            self.assertIs(self.ask(200, answer), False)

    def test_nobody_to_ask(self) -> None:
        self.assertIsInstance(self.ask(), ServerUnavailable)
        self.assertIsInstance(self.ask(500, b"sorry"), ServerUnavailable)
