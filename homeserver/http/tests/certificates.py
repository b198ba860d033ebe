"""Certificates made on the spot."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from config.tls import Tls


def write_certificate(
    directory: Path, name: str = "localhost", *, days: int = 30, serial: int = 1, stem: str = "tls"
) -> Tls:
    """A certificate for `name`, a host or an address, that ends in `days`.

    It is signed by itself and written over the one of that stem.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    # An authority is found by its name, so that certificates that are trusted together need different ones.
    names = {NameOID.COMMON_NAME: name, NameOID.SERIAL_NUMBER: str(serial)}
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names.items()])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general_name(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = Tls(certificate_path=directory / f"{stem}.crt", private_key_path=directory / f"{stem}.key")
    assert paths.certificate_path is not None
    assert paths.private_key_path is not None
    paths.certificate_path.write_bytes(certificate.public_bytes(Encoding.PEM))
    paths.private_key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
