"""E-mails of the server: from templates, in HTML and in plain text, handed over without anybody waiting."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
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
        run_in_background("e-mail", self._send(Letter(recipient, subject, template, values)))

    async def deliver(self, letter: "Letter") -> None:
        """The same for those who wait. Raises what its mail server does where that did not take it."""
        await self._post.send(self._address, letter.recipient, self._message(letter).as_bytes())

    async def _send(self, letter: "Letter") -> None:
        # Writing takes time too, so the answer goes out first.
        await self._clock.sleep(0)
        await self.deliver(letter)

    def _message(self, letter: "Letter") -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = MailAddress(self._name, addr_spec=self._address)
        message["To"] = MailAddress(addr_spec=letter.recipient)
        message["Subject"] = _filled(letter.subject, {**self._words, **letter.words})
        message["Date"] = format_datetime(datetime.fromtimestamp(self._clock.seconds(), UTC))
        domain = self._address.rpartition("@")[2]
        message["Message-ID"] = f"<{self._randomness.token(_MESSAGE_ID_LENGTH)}@{domain}>"
        # Nobody's out-of-office note need answer: https://www.rfc-editor.org/rfc/rfc3834#section-5
        message["Auto-Submitted"] = "auto-generated"
        if letter.unsubscribe_link is not None:
            # https://www.rfc-editor.org/rfc/rfc8058#section-3.1
            message["List-Unsubscribe"] = f"<{letter.unsubscribe_link}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        words = {"app_name": self._app_name, "unsubscribe_link": letter.unsubscribe_link, **letter.values}
        message.set_content(self._templates.render(f"{letter.template}.txt", **words))
        message.add_alternative(self._templates.render(f"{letter.template}.html", **words), subtype="html")
        return message


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail to be written from the templates `template`.html and .txt; `words` are for its subject.

    Whoever opens `unsubscribe_link`, or whose mail program does it for them, gets no more of its kind.
    """

    recipient: str
    subject: str
    template: str
    values: Mapping[str, object]
    words: Mapping[str, str] = field(default_factory=dict)
    unsubscribe_link: str | None = None


def _filled(text: str, words: Mapping[str, str]) -> str:
    """Not by the % operator, which fails where an operator wrote a percent sign for itself."""
    for name, value in words.items():
        text = text.replace(f"%({name})s", value)
    # What people called a room must not become a header of its own.
    return " ".join(text.split())
