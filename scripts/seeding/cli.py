"""The arguments of scripts/seed, and what it says."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from config import ConfigError, load
from config.listeners import TcpListener
from config.root import Config

from .building import Progress, build
from .plan import Plan, make_plan
from .resident import Registry, SeedError

PROJECT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "moot-demo"
_EVERYWHERE = ("::", "0.0.0.0")


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 2 where the server could not be filled; then the reason is on stderr."""
    arguments = _parser().parse_args(argv)
    try:
        url, secret = _whom_to_fill(arguments)
        started = time.monotonic()
        plan = make_plan(arguments.messages, arguments.seed)
        registry = Registry(url, secret, arguments.password)
        asyncio.run(build(plan, registry, Progress(_shower(sys.stderr))))
    except (SeedError, ConfigError) as error:
        # On a terminal, the cursor is at the end of an unfinished line of progress.
        start = "\n" if sys.stderr.isatty() else ""
        print(f"{start}seed: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(_farewell(plan, url, arguments.password, time.monotonic() - started))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/seed",
        description="Fills a running homeserver with people, rooms and talk, for trying things out.",
        epilog="examples:\n"
        "  scripts/seed\n"
        "  SEED_SECRET=… scripts/seed --url https://matrix.example.org --messages 200",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        type=Path,
        default=PROJECT / "data",
        help="that of the server, whose homeserver.yaml tells its address and registration_shared_secret"
        " (default: ./data, which scripts/run serves)",
    )
    parser.add_argument(
        "--url", help="another server's address; its secret is then in the environment, as SEED_SECRET"
    )
    parser.add_argument(
        "--password", default=PASSWORD, help="of all the accounts that are made (default: %(default)s)"
    )
    parser.add_argument("--messages", metavar="N", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="another one makes another town")
    return parser


def _whom_to_fill(arguments: argparse.Namespace) -> tuple[str, str]:
    """Address and shared secret."""
    secret = os.environ.get("SEED_SECRET")
    if arguments.url is not None:
        if not secret:
            raise SeedError(
                "Put the server's registration_shared_secret into the environment, as SEED_SECRET"
            )
        return arguments.url.rstrip("/"), secret
    file = arguments.data_dir / "homeserver.yaml"
    if not file.is_file():
        raise SeedError(f"There is no {file}. Start the server first, or name another one with --url.")
    config = load([file], data_dir=arguments.data_dir, environ=os.environ, overrides=[]).config
    secret = secret or config.registration.shared_secret
    if not secret:
        raise SeedError(f"Set registration_shared_secret in {file}, and start the server again.")
    return address_of(config), secret


def address_of(config: Config) -> str:
    """Where a client on the same machine reaches the server."""
    for listener in config.listeners:
        if isinstance(listener, TcpListener) and not listener.tls and "client" in listener.resource_names:
            host = listener.bind_addresses[0]
            if host in _EVERYWHERE:
                host = "localhost"
            return f"http://[{host}]:{listener.port}" if ":" in host else f"http://{host}:{listener.port}"
    if config.server.public_baseurl is not None:
        return config.server.public_baseurl.rstrip("/")
    raise SeedError("No listener of the configuration is a plain one for clients; use --url")


def _shower(stream: TextIO) -> Callable[[str, int, int], None]:
    """One line for each kind of thing, rewritten in place on a terminal."""

    def show(name: str, done: int, total: int) -> None:
        if stream.isatty() or done == total:
            start, end = ("\r", "\n" if done == total else "") if stream.isatty() else ("", "\n")
            print(f"{start}{name}: {done} of {total}", end=end, file=stream, flush=True)

    return show


def _farewell(plan: Plan, url: str, password: str, seconds: float) -> str:
    return (
        f"{url} has {len(plan.people)} people, {len(plan.rooms)} rooms and {len(plan.lines)} messages now"
        f" ({seconds:.0f} s).\n"
        f"Sign in as {plan.people[0].localpart}, or any of the others, with the password {password}."
    )
