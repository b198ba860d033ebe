from email import message_from_bytes, policy
from email.message import EmailMessage
from random import Random
from typing import cast

from twisted.internet.task import Clock as FakeReactor
from twisted.trial.unittest import SynchronousTestCase

from config.email import Email
from homeserver.email.mailer import Mailer
from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.runtime.randomness import Randomness
from homeserver.templates.rendering import Templates

_SENT_AT = 1_700_000_000


class Sent:
    """Stands for the mail server. `refuses` makes it one that takes nothing."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, EmailMessage]] = []
        self.refuses = False

    async def send(self, sender: str, recipient: str, message: bytes) -> None:
        if self.refuses:
            raise ConnectionError("no mail server")
        parsed = message_from_bytes(message, policy=policy.default)
        self.messages.append((sender, recipient, parsed))


class MailerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.sent = Sent()
        self.reactor = FakeReactor()
        self.reactor.advance(_SENT_AT)
        self.mailer = Mailer(
            Email(sender="The %(app)s <noreply@example.org>", app_name="Club"),
            Templates(None, "test"),
            self.sent,
            Clock(cast(ReactorTime, self.reactor)),
            Randomness(Random(1)),
            "test",
        )

    def send(self, subject: str = "[%(server_name)s] 100% %(app)s", link: str = "https://x/?a=1&b=2") -> None:
        self.mailer.send("alice@example.org", subject, "password_reset", link=link)
        self.reactor.advance(0)

    def test_headers(self) -> None:
        self.send()
        ((sender, recipient, message),) = self.sent.messages
        self.assertEqual((sender, recipient), ("noreply@example.org", "alice@example.org"))
        self.assertEqual(message["From"], "The Club <noreply@example.org>")
        self.assertEqual(message["To"], "alice@example.org")
        self.assertEqual(message["Subject"], "[test] 100% Club")
        self.assertEqual(message["Date"], "Tue, 14 Nov 2023 22:13:20 +0000")
        self.assertRegex(message["Message-ID"], r"^<\w{24}@example\.org>$")
        self.assertEqual(message["Auto-Submitted"], "auto-generated")

    def test_both_forms(self) -> None:
        self.send()
        ((_, _, message),) = self.sent.messages
        plain, html = (message.get_body((kind,)) for kind in ("plain", "html"))
        assert plain is not None
        assert html is not None
        self.assertIn("\nhttps://x/?a=1&b=2\r\n", plain.get_content())
        self.assertIn('href="https://x/?a=1&amp;b=2"', html.get_content())
        for part in (plain, html):
            self.assertIn("Club on test", part.get_content())

    def test_a_mail_server_that_takes_nothing(self) -> None:
        self.sent.refuses = True
        with self.assertLogs("homeserver.runtime.tasks", "ERROR") as logs:
            self.send()
        self.assertNotIn("alice@example.org", str(logs.output))
        self.sent.refuses = False
        self.send()
        self.assertEqual(len(self.sent.messages), 1)
