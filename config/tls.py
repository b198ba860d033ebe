"""Certificates of the server's own listeners."""

from dataclasses import dataclass

from config.kinds import FilePath
from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What listeners with `tls: true` show to those who connect. The files are read again on SIGHUP."""

    certificate_path: FilePath | None = option(
        None, "PEM file of the certificate, followed by its chain.", key="tls_certificate_path"
    )
    private_key_path: FilePath | None = option(
        None, "PEM file of its private key.", key="tls_private_key_path"
    )
