"""A mail server on a port of its own that keeps what it is given."""

from io import BytesIO
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import deferLater
from twisted.internet.tcp import Connection
from twisted.mail.imap4 import LOGINCredentials, PLAINCredentials
from twisted.mail.smtp import ESMTP, IMessage, IMessageDelivery, SMTPBadRcpt, User
from zope.interface import implementer

reactor: Any = _reactor


@implementer(IMessage)
class _Incoming:
    def __init__(self, server: "MailServer", recipient: str) -> None:
        self._server, self._recipient, self._body = server, recipient, BytesIO()

    def lineReceived(self, line: bytes) -> None:
        self._body.write(line + b"\r\n")

    def eomReceived(self) -> "Deferred[None]":
        self._server.received.append((self._recipient, self._body.getvalue()))
        return succeed(None)

    def connectionLost(self) -> None:
        pass


@implementer(IMessageDelivery)
class _Delivery:
    def __init__(self, server: "MailServer") -> None:
        self._server = server

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        return b""

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        return origin

    def validateTo(self, user: User) -> Any:
        recipient = str(user.dest)
        if recipient in self._server.refuses:
            raise SMTPBadRcpt(user)
        return lambda: _Incoming(self._server, recipient)


@implementer(IRealm)
class _Realm:
    def __init__(self, server: "MailServer") -> None:
        self._server = server

    def requestAvatar(self, avatarId: object, mind: object, *interfaces: object) -> Any:
        self._server.logged_in.append(avatarId)
        return IMessageDelivery, _Delivery(self._server), lambda: None


class MailServer:
    """`received` are recipients with their messages."""

    def __init__(self, *, password: str | None = None, starttls: Any = None, tls: Any = None) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.logged_in: list[object] = []
        self.refuses: set[str] = set()
        factory = ServerFactory()
        factory.protocol = lambda: self._protocol(password, starttls)
        if tls is None:
            self._port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        else:
            self._port = reactor.listenSSL(0, factory, tls, interface="127.0.0.1")
        self.port: int = self._port.getHost().port

    async def stop(self) -> None:
        """Returns when both sides of every connection are closed."""
        await self._port.stopListening()
        while any(isinstance(reader, Connection) for reader in reactor.getReaders()):
            await deferLater(reactor, 0.001)

    def _protocol(self, password: str | None, starttls: Any) -> ESMTP:
        if password is None:
            protocol = ESMTP(contextFactory=starttls)
            protocol.delivery = _Delivery(self)
            return protocol
        protocol = ESMTP({b"LOGIN": LOGINCredentials, b"PLAIN": PLAINCredentials}, starttls)
        checker = InMemoryUsernamePasswordDatabaseDontUse(mailer=password.encode())
        # Zope describes these interfaces, which says nothing to mypy.
        portal: Any = Portal
        protocol.portal = portal(_Realm(self), [checker])
        return protocol
