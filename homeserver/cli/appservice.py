"""Adds, lists and removes application services, which are bots and bridges.

A running server is told by SIGHUP; this is done here where it has a pid_file."""

import argparse
import os
import signal
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote

from config import Config
from config.listeners import TcpListener
from homeserver.app.appservices import service_files, service_state
from homeserver.cli.database import at_once, opened
from homeserver.cli.installation import prepare
from homeserver.cli.probing import connect
from homeserver.cli.settings import declare_settings, load_settings
from homeserver.protocol.json import decode_json
from homeserver.runtime.refusal import Refusal

_PING_SECONDS = 70


def declare(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n"
        "  folkmoot appservice add registration.yaml\n"
        "  folkmoot appservice list\n"
        "  folkmoot appservice ping irc\n"
        "  folkmoot appservice remove irc"
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=argparse.ArgumentParser)
    add = actions.add_parser("add", help="register a service, or change it")
    add.add_argument("file", metavar="FILE", type=Path, help="its registration file, which is copied")
    listing = actions.add_parser("list", help="print all services, and how far they are behind")
    remove = actions.add_parser(
        "remove", help="register a service no more; what it was to be sent is dropped"
    )
    ping = actions.add_parser("ping", help="have the running server ask whether a service is there")
    for action in (remove, ping):
        action.add_argument("id", metavar="ID", help="as `folkmoot appservice list` tells it")
    for action, act in ((add, _add), (listing, _list), (remove, _remove), (ping, _ping)):
        declare_settings(action)
        action.set_defaults(act=act)


def run(arguments: argparse.Namespace) -> int:
    arguments.act(load_settings(arguments).config, arguments)
    return 0


def _add(config: Config, arguments: argparse.Namespace) -> None:
    path = service_files(config).add(arguments.file)
    print(f"Added {path}.")
    _tell_server(config)


def _remove(config: Config, arguments: argparse.Namespace) -> None:
    path = service_files(config).remove(arguments.id)
    print(f"Removed {path}.")
    _tell_server(config)


def _list(config: Config, _: argparse.Namespace) -> None:
    engine, _key = prepare(config)
    with opened(engine) as db:
        for registration in service_files(config).read():
            waiting, failing_since = at_once(service_state(db, registration.id))
            url = registration.url or "(no URL)"
            print(f"{registration.id} {url}: {_described(waiting, failing_since)}")


def _described(waiting: int, failing_since: int | None) -> str:
    if failing_since is not None:
        since = datetime.fromtimestamp(failing_since / 1000, UTC)
        return f"{waiting} events wait, as it has not taken them since {since:%Y-%m-%d %H:%M} UTC"
    return f"{waiting} events wait" if waiting else "it has everything"


def _ping(config: Config, arguments: argparse.Namespace) -> None:
    found = [one for one in service_files(config).read() if one.id == arguments.id]
    if not found:
        raise Refusal(f"No application service is called {arguments.id}; `folkmoot appservice list` tells")
    path = f"/_matrix/client/v1/appservice/{quote(arguments.id, safe='')}/ping"
    try:
        connection = _connection(config)
        connection.request("POST", path, b"{}", {"Authorization": f"Bearer {found[0].as_token}"})
        answer = connection.getresponse()
        content = decode_json(answer.read())
    except (OSError, HTTPException, ValueError) as error:
        raise Refusal(f"The server does not answer: {error}. Is it running?") from error
    if answer.status != 200:
        raise Refusal(f"{arguments.id} cannot be reached: {content.get('error')}")
    print(f"{arguments.id} answered in {content['duration_ms']} ms.")


def _connection(config: Config) -> HTTPConnection:
    """To the server that runs with this configuration."""
    for listener in config.all_listeners:
        if isinstance(listener, TcpListener) and listener.type == "http" and listener.bind_addresses:
            return connect(listener, listener.bind_addresses[0], _PING_SECONDS)
    raise Refusal("The server has no TCP listener at which it could be asked")


def _tell_server(config: Config) -> None:
    pid_file = config.server.pid_file
    if pid_file is not None and pid_file.is_file():
        try:
            os.kill(int(pid_file.read_text()), signal.SIGHUP)
        except (OSError, ValueError):
            print("No server runs; the next one will know.")
        else:
            print("The running server has been told.")
        return
    print("A running server reads it at its next start, or at SIGHUP: kill -HUP <its process ID>")
