"""E-mails of the server: from templates, in HTML and in plain text, handed over without anybody waiting."""

import logging
from datetime import UTC, datetime
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Protocol

from config.email import Email
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.tasks import run_in_background
from homeserver.templates.rendering import Templates

log = logging.getLogger(__name__)

_MESSAGE_ID_LENGTH = 24


class Post(Protocol):
    """Whoever carries e-mails away."""

    async def send(self, sender: str, recipient: str, message: bytes) -> None: ...


class Mailer:
    """Writes e-mails and sends them."""

    def __init__(
        self,
        settings: Email,
        templates: Templates,
        post: Post,
        clock: Clock,
        randomness: Randomness,
        server_name: str,
    ) -> None:
        """`settings` must have a sender."""
        assert settings.sender is not None, "without a sender there is no e-mail"
        self._app_name = settings.app_name
        self._words = {"app": settings.app_name, "server_name": server_name}
        self._name, self._address = parseaddr(_filled(settings.sender, self._words))
        self._templates = templates
        self._post = post
        self._clock = clock
        self._randomness = randomness

    def send(self, recipient: str, subject: str, template: str, **values: object) -> None:
        """Sends the templates `template`.html and .txt; if the mail server does not want it, the log says so.

        Nobody waits for it, so that the time of an answer does not tell whether there was anything to send.
        """
        run_in_background("e-mail", self._send(recipient, subject, template, values))

    async def _send(self, recipient: str, subject: str, template: str, values: dict[str, object]) -> None:
        # Writing takes time too, so the answer goes out first.
        await self._clock.sleep(0)
        message = self._message(recipient, subject, template, values)
        await self._post.send(self._address, recipient, message.as_bytes())

    def _message(
        self, recipient: str, subject: str, template: str, values: dict[str, object]
    ) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = MailAddress(self._name, addr_spec=self._address)
        message["To"] = MailAddress(addr_spec=recipient)
        message["Subject"] = _filled(subject, self._words)
        message["Date"] = format_datetime(datetime.fromtimestamp(self._clock.seconds(), UTC))
        domain = self._address.rpartition("@")[2]
        message["Message-ID"] = f"<{self._randomness.token(_MESSAGE_ID_LENGTH)}@{domain}>"
        # Nobody's out-of-office note need answer: https://www.rfc-editor.org/rfc/rfc3834#section-5
        message["Auto-Submitted"] = "auto-generated"
        words = {"app_name": self._app_name, **values}
        message.set_content(self._templates.render(f"{template}.txt", **words))
        message.add_alternative(self._templates.render(f"{template}.html", **words), subtype="html")
        return message


def _filled(text: str, words: dict[str, str]) -> str:
    """Not by the % operator, which fails where an operator wrote a percent sign for itself."""
    for name, value in words.items():
        text = text.replace(f"%({name})s", value)
    return text
