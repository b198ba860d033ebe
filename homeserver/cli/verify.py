"""Recomputes what is stored of rooms and lists what differs; it may work beside a running server.

Every hash and signature, the authorisation of every event, the state of every room and all that is derived
from events. The exit code is 1 if anything differs."""

import argparse
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor

from config import Config
from config.database import SqliteDatabase
from config.listeners import UnixListener
from homeserver.app import engine_of
from homeserver.app.read_models import read_models
from homeserver.cli.probing import is_listened_to, is_served
from homeserver.cli.settings import declare_settings, load_settings
from homeserver.protocol.identifiers import ServerName
from homeserver.rooms.verification.database import verify
from homeserver.rooms.verification.differences import Findings
from homeserver.rooms.verification.rebuilding import rebuild
from homeserver.rooms.verification.stored import Identity
from homeserver.runtime.clock import Clock
from homeserver.runtime.key_file import read_key_file
from homeserver.runtime.refusal import Refusal
from homeserver.storage.engine import Connection, Engine
from homeserver.storage.migrate import is_current

_TOLD_EVERY = 1.0
# Tells the time here. Its type is an interface of Zope's, which says nothing to mypy.
reactor: Any = _reactor


def declare(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example:\n  folkmoot verify --data-dir /var/lib/folkmoot"
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="derive anew whatever follows from the events, also what is searched, then verify again; not while the"
        " server runs",
    )
    declare_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    config = load_settings(arguments).config
    identity = Identity(ServerName(config.server.server_name), read_key_file(config.signing_key_path))
    if arguments.rebuild:
        _refuse_beside_a_server(config)
    with closing(_engine(config).connect()) as connection:
        found = _verified(connection, identity)
        if arguments.rebuild:
            # Whatever was found: some read models are made anew and not compared.
            print("Deriving the rooms anew.", flush=True)
            rebuild(connection, read_models(config), Clock(reactor).now_ms(), _say)
            found = _verified(connection, identity)
    return 1 if found.count else 0


def _engine(config: Config) -> Engine:
    settings = config.database
    if isinstance(settings, SqliteDatabase) and not Path(settings.path).exists():
        # To connect would make it.
        raise Refusal(f"There is no database {settings.path}. Name the server's --data-dir or configuration.")
    engine = engine_of(config)
    if not is_current(engine):
        raise Refusal("The database has the schema of an older version; run `folkmoot migrate` first.")
    return engine


def _refuse_beside_a_server(config: Config) -> None:
    """A running server is known by its answer on one of its listeners."""
    for listener in config.all_listeners:
        if isinstance(listener, UnixListener):
            where, is_there = f"at {listener.path}", is_listened_to(listener.path)
        else:
            where = f"on port {listener.port}"
            is_there = any(is_served(listener, address) for address in listener.bind_addresses)
        if is_there:
            raise Refusal(f"A server answers {where}; stop it before --rebuild.")


def _verified(connection: Connection, identity: Identity) -> Findings:
    start = time.monotonic()
    told = start

    def progress(findings: Findings, rooms: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TOLD_EVERY:
            told = time.monotonic()
            print(
                f"{findings.rooms:,}/{rooms:,} rooms, {findings.events:,} events", file=sys.stderr, flush=True
            )

    findings = verify(connection, identity, progress)
    _print(findings, time.monotonic() - start)
    return findings


def _print(findings: Findings, seconds: float) -> None:
    for line in findings.lines():
        print(line)
    for what, times in findings.unchecked.items():
        if times:
            print(f"Not checked: {times:,} {what}")
    extent = f"{findings.rooms:,} rooms, {findings.events:,} events, {seconds:.1f} seconds"
    verdict = f"{findings.count:,} differences" if findings.count else "Everything agrees"
    print(f"{verdict}: {extent}", flush=True)


def _say(text: str) -> None:
    print(text, flush=True)
