"""Whether a database is sound: all that it keeps twice for speed agrees with the events themselves."""

import sqlite3
import subprocess
import sys
from contextlib import closing

from config import load
from config.database import SqliteDatabase
from homeserver.app import engine_of
from homeserver.storage.engine import Transaction
from tests.processes import ServerProcess


def check_sound(server: ServerProcess) -> None:
    """For a server that is not running."""
    config = load([server.config], data_dir=server.directory, environ={}, overrides=[]).config
    if isinstance(config.database, SqliteDatabase):
        _check_file(config.database.path)
    with closing(engine_of(config).connect()) as connection, connection.reading() as txn:
        _check_position(txn)
        _check_transactions(txn)
    _verify(server)


def _check_file(path: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def _check_position(txn: Transaction) -> None:
    (position,) = txn.row("SELECT position FROM stream_position") or (0,)
    (newest,) = txn.row("SELECT max(position) FROM room_event") or (0,)
    assert position >= newest


def _check_transactions(txn: Transaction) -> None:
    """Each transaction ID has made one event, which is there."""
    orphans = txn.rows(
        """
        SELECT event_id FROM room_transaction t
        WHERE NOT EXISTS (SELECT 1 FROM room_event e WHERE e.event_id = t.event_id)
        """
    )
    assert not orphans
    counts = txn.row("SELECT count(*), count(DISTINCT event_id) FROM room_transaction")
    assert counts is not None
    assert counts[0] == counts[1]


def _verify(server: ServerProcess) -> None:
    """Hashes, signatures, authorisation, state and members of every room, as an operator would look at them."""
    options = ["-c", str(server.config), "--data-dir", str(server.directory)]
    verdict = subprocess.run(
        [sys.executable, "-m", "homeserver", "verify", *options], capture_output=True, text=True, check=False
    )
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
