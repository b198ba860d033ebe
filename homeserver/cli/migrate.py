"""Brings the database to the schema of this version. `folkmoot serve` does so too; this shows how."""

import argparse

from homeserver.app import engine_of
from homeserver.cli.settings import declare_settings, load_settings
from homeserver.storage.migrate import migrate, newest_version


def declare(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example:\n  folkmoot migrate --data-dir /var/lib/folkmoot"
    declare_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    config = load_settings(arguments).config
    if not migrate(engine_of(config), progress=_say):
        print(f"Nothing to do: the schema is {newest_version()} already.")
    return 0


def _say(text: str) -> None:
    # At once, because a step on a large database takes its time.
    print(text, flush=True)
