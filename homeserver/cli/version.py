"""Says which version this is."""

import argparse
import platform

from homeserver.runtime.version import program_version


def declare(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example:\n  folkmoot version"


def run(_: argparse.Namespace) -> int:
    print(f"folkmoot {program_version()} (Python {platform.python_version()})")
    return 0
