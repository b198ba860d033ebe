"""The bots of examples/ do what docs/bots.md says."""

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.loopback import free_port
from tests.clients.encrypted_room import (
    SETTINGS,
    Devices,
    has_come,
    is_echoed,
    speaks_with,
)
from tests.clients.talker import PASSWORD, Talker, success
from tests.processes import ServerProcess

PROJECT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30.0


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with ServerProcess(SETTINGS) as server:
        yield server


def command(beginning: str, server: ServerProcess) -> list[str]:
    """What the page has an author type that begins so, for this server."""
    lines = (PROJECT / "docs" / "bots.md").read_text().splitlines()
    (line,) = (line.strip() for line in lines if line.startswith(f"    {beginning}"))
    program, *arguments = shlex.split(line.replace("http://localhost:8008", server.url))
    if program == "folkmoot":
        settings = ["-c", str(server.config), "--data-dir", str(server.directory)]
        return [sys.executable, "-m", "homeserver", *arguments, *settings]
    script, *rest = arguments
    return [sys.executable, str(PROJECT / script), *rest]


@contextmanager
def running(
    directory: Path, command: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """The example, once it says that it is there; stopped by Ctrl-C at the end, which it must take well."""
    log = directory / "log"
    with log.open("wb") as output:
        bot = subprocess.Popen(
            # Where the tests run in the background of a shell, Ctrl-C would be ignored.
            ["env", "--default-signal=INT", *command],
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while "Invite @" not in log.read_text():
            assert bot.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield
        bot.send_signal(signal.SIGINT)
        assert bot.wait(PATIENCE) == 0, log.read_text()
    finally:
        # Shown where the test fails.
        print(log.read_text())
        bot.kill()
        bot.wait()


def test_an_application_service_echoes(server: ServerProcess, tmp_path: Path) -> None:
    echo = [*command("python examples/echo_bot.py", server), "--port", str(free_port())]
    with running(tmp_path, echo):
        add = command("folkmoot appservice add", server)
        told = subprocess.run(add, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "The running server has been told." in told.stdout
        asyncio.run(_hears_an_echo(server.url))
        ping = command("folkmoot appservice ping", server)
        answered = subprocess.run(ping, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert answered.stdout.startswith("echo answered in ")


async def _hears_an_echo(url: str) -> None:
    async with await Talker(url, "alice").register() as alice:
        room_id = str(success(await alice.client.room_create(invite=["@echo:localhost"])).room_id)
        await alice.until(lambda: room_id in alice.client.rooms)
        await has_come(alice, room_id, "@echo:localhost")
        await is_echoed(alice, room_id)


def test_an_encrypted_bot_decrypts_and_answers(server: ServerProcess, tmp_path: Path) -> None:
    add = [*command("folkmoot user add robot", server), "--password-stdin"]
    environment = {"BOT_PASSWORD": PASSWORD}
    subprocess.run(add, input=f"{PASSWORD}\n", cwd=tmp_path, text=True, check=True)
    with running(tmp_path, command("python examples/encrypted_bot.py", server), environment):
        asyncio.run(_hears_an_encrypted_echo(server.url, tmp_path / "stores"))


async def _hears_an_encrypted_echo(url: str, stores: Path) -> None:
    stores.mkdir()
    async with Devices(url, stores) as devices:
        alice = await devices.of_new_user("alice")
        await speaks_with(alice, "@robot:localhost")
