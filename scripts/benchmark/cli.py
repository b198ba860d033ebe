"""The command line of scripts/bench."""

import argparse
import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from scripts.loopback import SHARED_SECRET

from . import bridging, crowds, encryption, federation, media, pushing, town  # noqa: F401 - they enter their scenarios into the list
from .launch import LaunchedServer, LaunchFailed, folkmoot_command, synapse_command
from .measurement import Processes
from .postgres import PostgresUnavailable
from .process import ProcessTree
from .report import ratio_table, server_table, write_json
from .run import Contender, measure_readiness, run
from .scenarios import SCENARIOS

READY = "ready"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 when every answer was right, 1 when some were not, 2 when nothing could be measured."""
    options = parse(arguments)
    # So that `kill` ends the servers that we started, as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with contextlib.ExitStack() as started:
            return compare(options, started)
    except (LaunchFailed, PostgresUnavailable) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def compare(options: argparse.Namespace, started: contextlib.ExitStack) -> int:
    """Start what is to be started, run, print; what was started is left to `started` to stop."""
    contenders = [_by_url(options)] if options.url else []
    contenders += [_launch(server, started) for server in _servers(options)]
    wanted = options.scenario or [*SCENARIOS, READY]
    chosen = [each for name, each in SCENARIOS.items() if name in wanted]
    asyncio.run(run(contenders, chosen, options.scale))
    if READY in wanted:
        for contender in contenders:
            measure_readiness(contender)
    print(_heading(options))
    print(*map(server_table, contenders), sep="\n\n")
    for other in contenders[1:]:
        print(f"\n{ratio_table(contenders[0], other)}")
    if options.json:
        settings = {"database": options.database, "scale": options.scale, "url": options.url}
        write_json(options.json, contenders, settings)
    return 1 if any(each.failures for each in contenders) else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    explanations = "\n".join(f"  {name:<16} {each.explanation}" for name, each in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures Matrix homeservers. Without --url and --command it starts Folkmoot.",
        epilog=f"scenarios:\n{explanations}\n  {READY:<16} {_flat(measure_readiness.__doc__)}\n\n"
        "scripts/bench rules measures the functions that the rules of rooms are, beside Synapse's.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", help="a server that runs already, instead of starting Folkmoot")
    parser.add_argument("--registration-shared-secret", help="that server's secret for registering accounts")
    parser.add_argument("--pid", type=int, help="that server's process, to measure its CPU and memory")
    parser.add_argument(
        "--command",
        action="append",
        default=[],
        metavar="[NAME=]CMD",
        help="how to start a server, instead of Folkmoot's usual way; {config} and {data} stand for the "
        "file and the directory (without {config}, -c FILE --data-dir DIR is appended); repeatable",
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument(
        "--against", choices=["synapse"], help="run the same on this server and print the ratios"
    )
    parser.add_argument("--only", choices=["synapse"], help="run on this server alone")
    parser.add_argument(
        "--scenario", action="append", choices=[*SCENARIOS, READY], help="repeatable; default: all"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="size of the work; below 1 for a quick look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all raw figures to this file")
    options = parser.parse_args(arguments)
    if options.url and not options.registration_shared_secret:
        parser.error("--url needs --registration-shared-secret")
    return options


def _servers(options: argparse.Namespace) -> list[LaunchedServer]:
    postgresql = options.database == "postgresql"
    commands = dict(_named(number, text) for number, text in enumerate(options.command, 1))
    if not commands and not options.url and not options.only:
        commands["folkmoot"] = folkmoot_command()
    # Every event is looked at for a service that is registered, so there is one only where it is measured.
    is_bridged = bridging.bridge_1000.name in (options.scenario or SCENARIOS)
    registration = bridging.registration if is_bridged else None
    servers = [
        LaunchedServer(name, command, postgresql=postgresql, registration=registration)
        for name, command in commands.items()
    ]
    if "synapse" in (options.against, options.only):
        servers.append(
            LaunchedServer(
                "synapse",
                synapse_command(),
                postgresql=postgresql,
                keys_first=True,
                registration=registration,
            )
        )
    return servers


def _named(number: int, text: str) -> tuple[str, str]:
    named = re.match(r"([\w.-]+)=", text)
    command = text[named.end() :] if named else text
    if "{config}" not in command:
        command += " -c {config} --data-dir {data}"
    return named[1] if named else f"command {number}", command


def _by_url(options: argparse.Namespace) -> Contender:
    processes = Processes(ProcessTree(options.pid) if options.pid else None)
    return Contender(options.url, options.url, options.registration_shared_secret, processes)


def _launch(server: LaunchedServer, started: contextlib.ExitStack) -> Contender:
    started.callback(server.remove)
    server.prepare()
    first_start = server.start()
    return Contender(
        server.name,
        server.url,
        SHARED_SECRET,
        server.processes,
        server,
        server.service_port,
        first_start,
    )


def _heading(options: argparse.Namespace) -> str:
    scale = "" if options.scale == 1 else f", scale {options.scale:g}: rooms are smaller than their names say"
    return f"database: {'as the server has it' if options.url else options.database}{scale}\n"


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
