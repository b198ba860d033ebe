"""Makes a data directory with a configuration file and the key that signs this server's events."""

import argparse
import json
from pathlib import Path

from config import Config, load
from homeserver.cli.data_directory import make_data_directory, write_new
from homeserver.cli.settings import CONFIG_NAME, DEFAULT_DATA_DIR
from homeserver.runtime.key_file import ensure_key_file
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.refusal import Refusal

_TEMPLATE = """\
# The configuration of a Folkmoot server. `folkmoot config docs` describes all settings;
# those that are not given here have their default.

# The part of user IDs after the colon. It can never be changed.
server_name: {server_name}

# Where the data is kept: sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/NAME
{database}

# Where clients reach the server, if not at https://SERVER_NAME/
# public_baseurl: https://matrix.example.org/

# Anybody may make an account. Otherwise `folkmoot user add NAME` makes them.
# enable_registration: true
# enable_registration_without_verification: true

# Whoever knows this secret may make accounts, even administrators', as scripts/seed and tools for Synapse do.
registration_shared_secret: {shared_secret}

# Where the server listens.
# listeners:
#   - port: 8008
#     bind_addresses: ["127.0.0.1", "::1"]
#     x_forwarded: true  # only behind a reverse proxy
#     resources: [{{names: [client, federation]}}]
"""
_NO_DATABASE = "# database: sqlite:///folkmoot.db"
_SECRET_LENGTH = 43  # 256 bits


def declare(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example:\n  folkmoot init --server-name example.org --data-dir /var/lib/folkmoot"
    parser.add_argument(
        "--server-name", metavar="NAME", required=True, help="the part of user IDs after the colon"
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        type=Path,
        default=DEFAULT_DATA_DIR,
        help="made if absent (default: ./%(default)s)",
    )
    parser.add_argument(
        "--database",
        metavar="URL",
        help="postgresql://USER:PASSWORD@HOST/NAME; without it, SQLite in the data directory",
    )


def run(arguments: argparse.Namespace) -> int:
    directory: Path = arguments.data_dir
    file = directory / CONFIG_NAME
    if file.exists():
        raise Refusal(f"There is a configuration {file} already; it is not overwritten.")
    randomness = Randomness()
    settings = {
        "server_name": json.dumps(arguments.server_name),
        "registration_shared_secret": json.dumps(randomness.token(_SECRET_LENGTH)),
    }
    if arguments.database is not None:
        settings["database"] = json.dumps(arguments.database)
    config = _checked(directory, settings)
    make_data_directory(directory)
    key_is_new = ensure_key_file(config.signing_key_path, randomness)
    write_new(file, _text(settings))
    print(f"Wrote {file}.")
    print(f"{'Made' if key_is_new else 'Kept'} the signing key {config.signing_key_path}; keep a copy of it.")
    print(f"Start the server with: folkmoot serve --data-dir {directory}")
    return 0


def _checked(directory: Path, settings: dict[str, str]) -> Config:
    """The settings as `serve` will read them; raises ConfigError before anything is written."""
    overrides = [f"{key}={value}" for key, value in settings.items()]
    return load([], data_dir=directory, environ={}, overrides=overrides).config


def _text(settings: dict[str, str]) -> str:
    database = settings.get("database")
    return _TEMPLATE.format(
        server_name=settings["server_name"],
        shared_secret=settings["registration_shared_secret"],
        database=_NO_DATABASE if database is None else f"database: {database}",
    )
