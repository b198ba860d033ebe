"""The command `folkmoot`. Each of its commands is a module of its own, loaded only when it is called."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

_COMMANDS = {
    "serve": "run the server",
    "init": "make a data directory with a configuration and a signing key",
    "user": "add, list and change accounts",
    "appservice": "add, list, remove and ping bots and bridges",
    "config": "check and show the configuration, and document it",
    "migrate": "bring the database to the schema of this version",
    "verify": "recompute what is stored of rooms, and list what differs",
    "check": "look for what is wrong with the installation",
    "version": "say which version this is",
}


class CommandParser(argparse.ArgumentParser):
    """The arguments of one command, declared by its module `homeserver.cli.<command>`.

    A module has `declare(parser)`, and `run(arguments)`, which gives the exit code.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)
        self._declared = False

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        # argparse comes here once it knows that this is the command.
        if not self._declared:
            self._declared = True
            module = import_module(f"homeserver.cli.{self.prog.split()[-1]}")
            self.description = module.__doc__
            module.declare(self)
            self.set_defaults(run=module.run)
        return super().parse_known_args(*args, **kwargs)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code: 0, 1 where `check` or `verify` found something, 2 if it was refused."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        return code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        from homeserver.cli.explain import explained  # noqa: PLC0415 -- only a command that failed needs it

        lines = explained(error)
        if lines is None:
            raise
        for line in lines:
            print(f"folkmoot: {line}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="folkmoot",
        description="A Matrix homeserver.",
        epilog="`folkmoot COMMAND --help` says more about one of them.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=CommandParser)
    for name, description in _COMMANDS.items():
        commands.add_parser(name, help=description)
    return parser
