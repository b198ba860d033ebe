"""TLS for our own listeners, with a certificate that can be renewed while the server runs."""

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from homeserver.runtime.refusal import Refusal


class CertificateError(Refusal):
    """The certificate or its key cannot be used."""


@implementer(IOpenSSLServerConnectionCreator)
class RenewableCertificate:
    """Makes the TLS side of each new connection, with the certificate read last."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        """PEM files; intermediate certificates follow the server's own. Raises CertificateError."""
        self._certificate = certificate
        self._private_key = private_key
        self._context = self._load()

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return SSL.Connection(self._context, None)

    def renew(self) -> None:
        """Reads both files again; raises CertificateError, and keeps what it has, if they are of no use."""
        self._context = self._load()

    def _load(self) -> SSL.Context:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        # https://www.rfc-editor.org/rfc/rfc8996 retires everything older.
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
        # OpenSSL would open the file itself, but not say why it cannot.
        _read(self._certificate)
        try:
            context.use_certificate_chain_file(str(self._certificate))
        except SSL.Error as error:
            raise CertificateError(
                f"{self._certificate} holds no certificate in PEM form; correct tls_certificate_path."
            ) from error
        pem = _read(self._private_key)
        try:
            key: Any = load_pem_private_key(pem, password=None)  # a kind that TLS cannot use is refused below
            context.use_privatekey(key)
        except (SSL.Error, ValueError, TypeError) as error:
            raise CertificateError(
                f"{self._private_key} holds no key in PEM form, without password, that belongs to"
                f" {self._certificate}; correct tls_private_key_path."
            ) from error
        return context


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {error.strerror}.") from error
