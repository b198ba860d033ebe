"""What must be in place before a server can work: its directory, its database and its signing key."""

import logging

from config import Config
from homeserver.app import engine_of
from homeserver.cli.data_directory import make_data_directory
from homeserver.protocol.signing import SigningKey
from homeserver.runtime.child_process import run_apart
from homeserver.runtime.key_file import ensure_key_file, read_key_file
from homeserver.runtime.randomness import Randomness
from homeserver.storage.engine import Engine
from homeserver.storage.migrate import is_current, migrate
from homeserver.storage.ownership import claim, owner_of

log = logging.getLogger(__name__)


def prepare(config: Config) -> tuple[Engine, SigningKey]:
    """The database, up to date and this server's, and the signing key; made if this is the first time.

    Raises Refusal, StorageError or KeyFileError, and changes nothing that was there.
    """
    make_data_directory(config.data_dir)
    engine = engine_of(config)
    _bring_up_to_date(engine)
    return engine, _signing_key(config, engine)


def _bring_up_to_date(engine: Engine) -> None:
    if engine.readers == 0:
        # A database in memory is nowhere but here.
        migrate(engine)
    elif not is_current(engine):
        # Apart, because Alembic and SQLAlchemy would hold 25 MB of the server's memory for as long as it runs.
        run_apart(lambda: migrate(engine))


def _signing_key(config: Config, engine: Engine) -> SigningKey:
    """Made for a new database only: a server that lost its key must not go on under another by accident."""
    path = config.signing_key_path
    connection = engine.connect()
    try:
        with connection.reading() as txn:
            is_new = owner_of(txn) is None
        if is_new and ensure_key_file(path, Randomness()):
            log.info("made the signing key %s; keep a copy of it", path)
        key = read_key_file(path)
        with connection.writing(ordered=False) as txn:
            claim(txn, config.server.server_name)
    finally:
        connection.close()
    return key
