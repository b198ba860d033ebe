"""TLS for our own listeners, with a certificate that can be renewed while the server runs."""

from pathlib import Path

from OpenSSL import SSL


class CertificateError(Exception):
    """The certificate or its key cannot be used; the text is for the operator."""


class RenewableContext:
    """Gives Twisted the TLS context of each new connection."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        """PEM files; intermediate certificates follow the server's own. Raises CertificateError."""
        self._certificate = certificate
        self._private_key = private_key
        self._context = self._load()

    def getContext(self) -> SSL.Context:
        return self._context

    def reload(self) -> None:
        """Reads both files again; raises CertificateError, and keeps what it has, if they are of no use."""
        self._context = self._load()

    def _load(self) -> SSL.Context:
        for path in (self._certificate, self._private_key):
            _check_readable(path)
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        # https://www.rfc-editor.org/rfc/rfc8996 retires everything older.
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
        # Without this, OpenSSL asks on the terminal for the password of a protected key.
        context.set_passwd_cb(lambda *_: b"")
        try:
            context.use_certificate_chain_file(str(self._certificate))
        except SSL.Error as error:
            raise CertificateError(
                f"{self._certificate} holds no certificate in PEM form; correct tls_certificate_path."
            ) from error
        try:
            context.use_privatekey_file(str(self._private_key))
        except SSL.Error as error:
            raise CertificateError(
                f"{self._private_key} holds no key in PEM form, without password, that belongs to"
                f" {self._certificate}; correct tls_private_key_path."
            ) from error
        return context


def _check_readable(path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {error.strerror}.") from error
