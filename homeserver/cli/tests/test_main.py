"""The command itself, and what is the same for all commands."""

import subprocess
import sys

import pytest

from homeserver.cli.main import main
from homeserver.cli.tests.running import PROJECT, folkmoot

COMMANDS = ["serve", "init", "user", "config", "migrate", "check", "version"]


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"    {command} " in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"\n  folkmoot {command}" in shown.partition("example")[2]


@pytest.mark.parametrize("arguments", [[], ["swim"], ["serve", "--colour"], ["user"], ["init"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: folkmoot")


def test_version_runs_as_a_module() -> None:
    process = folkmoot("version")
    assert process.returncode == 0
    assert process.stdout.startswith("folkmoot ")


def test_version_loads_nothing_of_the_server() -> None:
    """So that it is there at once."""
    program = (
        "import sys; from homeserver.cli.main import main; main(['version']);"
        "sys.exit(bool({'twisted', 'config', 'msgspec', 'homeserver.app'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=False).returncode == 0


def test_defects_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("homeserver.cli.version.program_version", broken)
    with pytest.raises(ZeroDivisionError):
        main(["version"])


def test_interrupted_command_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("homeserver.cli.version.program_version", interrupted)
    assert main(["version"]) == 130
    assert capsys.readouterr().err == ""
