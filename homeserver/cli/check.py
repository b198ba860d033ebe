"""Looks for what is wrong or soon will be, from the configuration to the certificate, and changes nothing.

The exit code is 1 if a line begins with FAIL."""

import argparse
import errno
import os
import shutil
import socket
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography import x509

from config import Config, ConfigError
from config.database import SqliteDatabase
from config.listeners import Listener, TcpListener, UnixListener
from homeserver.app import engine_of
from homeserver.cli.probing import is_served
from homeserver.cli.settings import declare_settings, load_settings
from homeserver.http.tls import CertificateError, RenewableCertificate
from homeserver.runtime.key_file import KeyFileError, read_key_file
from homeserver.storage.engine import Connection, StorageError
from homeserver.storage.migrate import newest_version, schema_version
from homeserver.storage.ownership import owner_of

_DISK_FAIL, _DISK_WARN = 100 * 1024**2, 1024**3
_CERTIFICATE_WARN = timedelta(days=14)


class Finding(NamedTuple):
    level: Literal["OK", "WARN", "FAIL"]
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.level:<4} {self.subject}: {self.text}"


def declare(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example:\n  folkmoot check --data-dir /var/lib/folkmoot"
    declare_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    code = 0
    for finding in _findings(arguments):
        print(finding, flush=True)
        if finding.level == "FAIL":
            code = 1
    return code


def _findings(arguments: argparse.Namespace) -> Iterator[Finding]:
    try:
        loaded = load_settings(arguments)
    except ConfigError as error:
        for problem in str(error).splitlines():
            yield Finding("FAIL", "configuration", problem)
        return
    for warning in loaded.warnings:
        yield Finding("WARN", "configuration", warning)
    config = loaded.config
    if not loaded.warnings:
        yield Finding("OK", "configuration", f"good, for the server {config.server.server_name}")
    yield from _about_directory(config.data_dir)
    yield from _about_disk(config.data_dir)
    findings, owner = _look_into_database(config)
    yield from findings
    yield from _about_key(config.signing_key_path, is_new_server=owner is None)
    for listener in config.all_listeners:
        yield from _about_listener(listener)
    yield from _about_certificate(config)


def _about_directory(path: Path) -> Iterator[Finding]:
    subject = f"data directory {path}"
    if not path.exists():
        yield Finding("WARN", subject, "does not exist yet; `folkmoot serve` makes it")
    elif not path.is_dir():
        yield Finding("FAIL", subject, "is not a directory; name another with --data-dir")
    elif not os.access(path, os.W_OK | os.X_OK):
        yield Finding("FAIL", subject, "cannot be written to; change its owner")
    elif path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding("WARN", subject, f"is open to other users of this machine; run `chmod 700 {path}`")
    else:
        yield Finding("OK", subject, "yours alone, and writable")


def _about_disk(path: Path) -> Iterator[Finding]:
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / 1024**3:.1f} GB free"
    if free < _DISK_FAIL:
        yield Finding("FAIL", "disk", f"{text}; make room before the database cannot be written")
    elif free < _DISK_WARN:
        yield Finding("WARN", "disk", f"{text}; make room soon")
    else:
        yield Finding("OK", "disk", text)


def _about_key(path: Path, *, is_new_server: bool) -> Iterator[Finding]:
    subject = f"signing key {path}"
    if not path.exists() and is_new_server:
        yield Finding("OK", subject, "will be made")
        return
    try:
        key = read_key_file(path)
    except KeyFileError as error:
        yield Finding("FAIL", "signing key", str(error))
        return
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding("WARN", subject, f"is open to other users of this machine; run `chmod 600 {path}`")
    else:
        yield Finding("OK", subject, key.key_id)


def _look_into_database(config: Config) -> tuple[list[Finding], str | None]:
    """What is to be said about it, and the name of the server that has used it."""
    settings = config.database
    if isinstance(settings, SqliteDatabase) and not Path(settings.path).exists():
        # To connect would make it.
        return [Finding("OK", "database", f"{settings.path} will be made")], None
    try:
        engine = engine_of(config)
        engine.check()
        connection = engine.connect()
        try:
            version = schema_version(connection, engine.name)
            owner = None if version is None else _owner(connection)
        finally:
            connection.close()
    except StorageError as error:
        return [Finding("FAIL", "database", str(error))], None
    findings = [_about_schema(version)]
    if owner not in (None, config.server.server_name):
        findings.append(
            Finding("FAIL", "database", f"belongs to the server {owner}; correct server_name or database")
        )
    return findings, owner


def _owner(connection: Connection) -> str | None:
    with connection.reading() as txn:
        return owner_of(txn)


def _about_schema(version: str | None) -> Finding:
    newest = newest_version()
    if version is None:
        return Finding("OK", "database", "reachable, and empty")
    if version > newest:
        return Finding("FAIL", "database", f"has the schema {version} of a newer Folkmoot; install that one")
    if version < newest:
        return Finding(
            "WARN", "database", f"has the older schema {version}; the next start brings it to {newest}"
        )
    return Finding("OK", "database", f"reachable, schema {version}")


def _about_listener(listener: Listener) -> Iterator[Finding]:
    if isinstance(listener, UnixListener):
        exists = listener.path.parent.is_dir()
        advice = (
            "its directory exists" if exists else f"there is no directory {listener.path.parent}; create it"
        )
        yield Finding("OK" if exists else "FAIL", f"socket {listener.path}", advice)
        return
    for address in listener.bind_addresses:
        subject = f"port {listener.port} on {address}"
        reason = _why_not_bound(address, listener.port)
        if reason is None:
            yield Finding("OK", subject, "free")
        elif reason.errno == errno.EADDRINUSE and is_served(listener, address):
            yield Finding("OK", subject, "the server is running")
        elif reason.errno == errno.EADDRINUSE:
            yield Finding("FAIL", subject, "another program uses it; stop that, or set another port")
        elif ":" in address and len(listener.bind_addresses) > 1:
            yield Finding("WARN", subject, f"{reason.strerror}; the other addresses will do")
        else:
            yield Finding("FAIL", subject, f"{reason.strerror}; correct bind_addresses or port")


def _why_not_bound(address: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            # As the server does, so that connections of one that has just ended are not in the way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
            # Linux lets two programs bind with that option, and refuses the second when it listens.
            probe.listen()
    except OSError as error:
        return error
    return None


def _about_certificate(config: Config) -> Iterator[Finding]:
    path, private_key = config.tls.certificate_path, config.tls.private_key_path
    speaks_tls = any(isinstance(listener, TcpListener) and listener.tls for listener in config.listeners)
    if not speaks_tls or path is None or private_key is None:
        return
    try:
        RenewableCertificate(path, private_key)
    except CertificateError as error:
        yield Finding("FAIL", "certificate", str(error))
        return
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    now, end = datetime.now(UTC), certificate.not_valid_after_utc
    subject = f"certificate {path}"
    if end <= now:
        yield Finding("FAIL", subject, f"expired on {end.date()}; renew it, then send SIGHUP to the server")
    elif now < certificate.not_valid_before_utc:
        yield Finding(
            "FAIL", subject, f"is not valid before {certificate.not_valid_before_utc}; look at the clock"
        )
    elif end - now < _CERTIFICATE_WARN:
        yield Finding("WARN", subject, f"expires on {end.date()}; renew it, then send SIGHUP to the server")
    else:
        yield Finding("OK", subject, f"valid until {end.date()}")
