"""Handing e-mail to the operator's mail server.

https://www.rfc-editor.org/rfc/rfc5321, with STARTTLS (RFC 3207), TLS (RFC 8314) and authentication (RFC 4954).
"""

from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.ssl import optionsForClientTLS
from twisted.mail.smtp import ESMTPSenderFactory

from config.email import Email

_TIMEOUT = 30  # seconds, to connect and for each answer


class SmtpSender:
    """Sends one message at a time, each on a connection of its own."""

    def __init__(self, settings: Email, reactor: Any, tls_trust: Any = None) -> None:
        """`tls_trust` are the authorities that are believed; None are those of the system."""
        self._settings = settings
        self._reactor = reactor
        self._trust = {} if tls_trust is None else {"trustRoot": tls_trust}

    async def send(self, sender: str, recipient: str, message: bytes) -> None:
        """Returns when the mail server took it. `sender` and `recipient` are bare addresses.

        Raises what Twisted does where it did not: SMTPClientError, ConnectError, ConnectionLost, …
        """
        sent: Deferred[Any] = Deferred()
        factory = self._factory(sender, recipient, message, sent)
        host, port = self._settings.smtp_host, self._settings.port
        if self._settings.force_tls:
            self._reactor.connectSSL(host, port, factory, self._tls_options(), timeout=_TIMEOUT)
        else:
            self._reactor.connectTCP(host, port, factory, timeout=_TIMEOUT)
        await sent

    def _factory(
        self, sender: str, recipient: str, message: bytes, sent: "Deferred[Any]"
    ) -> ESMTPSenderFactory:
        settings = self._settings
        starts_tls = settings.enable_tls and not settings.force_tls
        return ESMTPSenderFactory(
            None if settings.smtp_user is None else settings.smtp_user.encode(),
            None if settings.smtp_pass is None else settings.smtp_pass.encode(),
            sender.encode(),
            recipient.encode(),
            # Twisted writes CRLF for each LF.
            BytesIO(message.replace(b"\r\n", b"\n")),
            sent,
            retries=0,
            timeout=_TIMEOUT,
            contextFactory=self._tls_options() if starts_tls else None,
            heloFallback=not settings.smtp_user,
            requireAuthentication=settings.smtp_user is not None,
            requireTransportSecurity=settings.require_transport_security and starts_tls,
        )

    def _tls_options(self) -> Any:
        return optionsForClientTLS(self._settings.tls_name or self._settings.smtp_host, **self._trust)
