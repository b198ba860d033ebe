"""E-mail over real connections to a mail server, as an operator may have set it up."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.ssl import Certificate, PrivateCertificate, trustRootFromCertificates
from twisted.mail.smtp import (
    AUTHDeclinedError,
    AUTHRequiredError,
    SMTPClientError,
    SMTPConnectError,
    TLSRequiredError,
)
from twisted.trial.unittest import TestCase

from config.email import Email
from homeserver.email.smtp import SmtpSender
from homeserver.email.tests.mail_server import MailServer
from homeserver.http.tests.certificates import write_certificate

_MESSAGE = b"Subject: hello\r\n\r\nworld\r\n"


class SmtpTestCase(TestCase):
    def setUp(self) -> None:
        tls = write_certificate(self.temporary_directory(), "localhost")
        assert tls.certificate_path is not None
        assert tls.private_key_path is not None
        pem = tls.certificate_path.read_bytes()
        self.certificate = PrivateCertificate.loadPEM(pem + tls.private_key_path.read_bytes()).options()
        self.trust = trustRootFromCertificates([Certificate.loadPEM(pem)])

    def temporary_directory(self) -> Path:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        return Path(directory.name)

    def server(self, **options: Any) -> MailServer:
        server = MailServer(**options)
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        return server

    def send(self, server: MailServer, **settings: Any) -> "Deferred[None]":
        email = Email(
            sender="us@test",
            **{"smtp_host": "127.0.0.1", "tls_name": "localhost", **settings},
            smtp_port=server.port,
        )
        sender = SmtpSender(email, reactor, self.trust)
        return Deferred.fromCoroutine(sender.send("us@test", "alice@example.org", _MESSAGE))


class PlainTests(SmtpTestCase):
    async def test_it_arrives(self) -> None:
        server = self.server()
        await self.send(server)
        self.assertEqual(server.received, [("alice@example.org", _MESSAGE)])

    async def test_refused_recipients(self) -> None:
        server = self.server()
        server.refuses.add("alice@example.org")
        with self.assertRaises(SMTPClientError):
            await self.send(server)

    async def test_nobody_there(self) -> None:
        server = MailServer()
        await server.stop()
        with self.assertRaises(SMTPConnectError):
            await self.send(server)


class AuthenticationTests(SmtpTestCase):
    async def test_password(self) -> None:
        server = self.server(password="secret")
        await self.send(server, smtp_user="mailer", smtp_pass="secret")
        self.assertEqual((server.logged_in, len(server.received)), ([b"mailer"], 1))

    async def test_wrong_password(self) -> None:
        server = self.server(password="secret")
        with self.assertRaises(AUTHDeclinedError):
            await self.send(server, smtp_user="mailer", smtp_pass="guess")
        self.assertEqual(server.received, [])

    async def test_a_server_that_asks_for_none(self) -> None:
        server = self.server()
        with self.assertRaises(AUTHRequiredError):
            await self.send(server, smtp_user="mailer", smtp_pass="secret")


class TlsTests(SmtpTestCase):
    async def test_starttls_where_it_is_offered(self) -> None:
        server = self.server(starttls=self.certificate)
        for settings in ({}, {"require_transport_security": True}):
            await self.send(server, **settings)
        self.assertEqual(len(server.received), 2)

    async def test_nothing_is_sent_in_clear_where_that_is_forbidden(self) -> None:
        server = self.server()
        with self.assertRaises(TLSRequiredError):
            await self.send(server, require_transport_security=True)
        self.assertEqual(server.received, [])

    async def test_starttls_can_be_switched_off(self) -> None:
        server = self.server(starttls=self.certificate)
        await self.send(server, enable_tls=False, tls_name="another.example")
        self.assertEqual(len(server.received), 1)

    async def test_tls_from_the_first_byte(self) -> None:
        server = self.server(tls=self.certificate)
        await self.send(server, force_tls=True)
        self.assertEqual(server.received, [("alice@example.org", _MESSAGE)])

    async def test_certificates_of_others(self) -> None:
        for settings, options in (({}, "starttls"), ({"force_tls": True}, "tls")):
            server = self.server(**{options: self.certificate})
            with self.assertRaises(Exception) as caught:
                await self.send(server, tls_name="another.example", **settings)
            self.assertNotIsInstance(caught.exception, AssertionError)
            self.assertEqual(server.received, [])
