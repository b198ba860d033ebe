"""Mail that the server sends, caught before it leaves."""

import re
from collections.abc import Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import ClassVar
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from config.email import Email
from tests.client import Answer
from tests.wire import WireTestCase

_LINK = re.compile(r"https://\S+")


class CaughtMail:
    """Stands for `SmtpSender`."""

    box: ClassVar[list[tuple[str, EmailMessage]]] = []

    def __init__(self, settings: Email, reactor: object) -> None:
        pass

    async def send(self, sender: str, recipient: str, message: bytes) -> None:
        self.box.append((recipient, message_from_bytes(message, policy=policy.default)))


class MailTestCase(WireTestCase):
    settings: ClassVar[Sequence[str]] = (
        "email.notif_from=us@test",
        "rc_3pid_validation={per_second: 1000, burst_count: 1000}",
    )

    def setUp(self) -> None:
        CaughtMail.box.clear()
        replaced = patch("homeserver.app.accounts.SmtpSender", CaughtMail)
        replaced.start()
        self.addCleanup(replaced.stop)
        super().setUp()

    def mails(self) -> list[tuple[str, str]]:
        """Recipients and subjects of what was sent since the last look."""
        return [(recipient, message["Subject"]) for recipient, message in self.taken()]

    def taken(self) -> list[tuple[str, EmailMessage]]:
        self.advance(0)
        taken = list(CaughtMail.box)
        CaughtMail.box.clear()
        return taken

    def link(self) -> str:
        """Where the one mail that was sent leads to."""
        ((_, message),) = self.taken()
        body = message.get_body(("plain",))
        assert body is not None, "every mail has plain text"
        found = _LINK.search(body.get_content())
        assert found is not None, body.get_content()
        return found[0]

    def open(self, link: str) -> Answer:
        """What the reader of a mail sees who opens the link and confirms."""
        parts = urlsplit(link)
        page = self.anonymous.request("GET", f"{parts.path}", query=parse_one(parts.query))
        if page.status != 200:
            return page
        form = parts.query.encode()
        return self.anonymous.request("POST", parts.path, form)


def parse_one(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
