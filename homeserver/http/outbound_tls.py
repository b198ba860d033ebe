"""TLS towards other servers: whose certificates are believed, and that each is for the right name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, ServiceID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from homeserver.runtime.refusal import Refusal

_MINIMUM = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}


class AuthorityError(Refusal):
    """A file of certificate authorities cannot be used."""


class Trust:
    """Certificates are believed that one of the authorities has signed: the system's, unless some are given.

    One TLS context serves all connections, because loading the authorities takes longer than a handshake.
    """

    def __init__(
        self,
        authorities: Sequence[Path] = (),
        minimum_version: str = "1.2",
        unverified: Callable[[str], bool] = lambda name: False,
    ) -> None:
        """`unverified` says of which names any certificate is believed. Raises AuthorityError."""
        self._authorities = authorities
        self._minimum_version = minimum_version
        self._unverified = unverified
        # The operator's files are read at once, so that a mistake shows; the system's when they are needed.
        self._context = self._load() if authorities else None

    def connection_to(self, name: str) -> Any:
        """What makes the TLS side of a connection to whoever must prove to be `name`: a host or an address."""
        if self._context is None:
            self._context = self._load()
        return _Verifying(self._context, name, verifies=not self._unverified(name))

    def _load(self) -> SSL.Context:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(_MINIMUM[self._minimum_version])
        context.set_options(SSL.OP_NO_RENEGOTIATION)
        if not self._authorities:
            context.set_default_verify_paths()
        for path in self._authorities:
            _load(context, path)
        return context


@implementer(IOpenSSLClientConnectionCreator)
class _Verifying:
    def __init__(self, context: SSL.Context, name: str, *, verifies: bool) -> None:
        self._context = context
        self._name = name
        self._verifies = verifies

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        is_address = isIPAddress(self._name) or isIPv6Address(self._name)
        if not is_address:
            # Addresses are not sent: https://www.rfc-editor.org/rfc/rfc6066#section-3
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        if self._verifies:
            service = IPAddress_ID(self._name) if is_address else DNS_ID(self._name)
            mode = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
            connection.set_verify(mode, _check_name(protocol, service))
        return connection


def _check_name(protocol: TLSMemoryBIOProtocol, service: ServiceID) -> Any:
    """OpenSSL checks the chain; this checks whom its first certificate is for."""

    def check(_connection: Any, certificate: Any, _error: int, depth: int, ok: int) -> bool:
        if depth or not ok:
            return bool(ok)
        try:
            verify_service_identity(extract_patterns(certificate), [service], [])
        except (VerificationError, ValueError, LookupError):
            # Nothing may be raised through OpenSSL.
            protocol.failVerification(Failure())
            return False
        return True

    return check


class _AbruptTls(TLSMemoryBIOProtocol):
    """Ends at once. By TLS a peer is asked to agree, and one that does not could send on forever."""

    def loseConnection(self) -> None:
        self.abortConnection()


class TlsClientFactory(TLSMemoryBIOFactory):
    """Puts TLS around the protocol of another factory."""

    protocol = _AbruptTls


def _load(context: SSL.Context, path: Path) -> None:
    try:
        path.read_bytes()
        context.load_verify_locations(str(path))
    except OSError as error:
        raise AuthorityError(f"{path} cannot be read: {error.strerror}.") from error
    except SSL.Error as error:
        raise AuthorityError(
            f"{path} holds no certificates in PEM form; correct federation_custom_ca_list."
        ) from error
