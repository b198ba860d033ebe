import pytest

from scripts.benchmark.cli import main, parse
from scripts.benchmark.scenarios import SCENARIOS


def test_every_scenario_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown and each.explanation in shown for name, each in SCENARIOS.items())
    assert all(len(each.explanation) > 40 for each in SCENARIOS.values())


def test_a_url_needs_the_secret() -> None:
    with pytest.raises(SystemExit):
        parse(["--url", "http://127.0.0.1:1"])


def test_an_unreachable_server_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--url", "http://127.0.0.1:1", "--registration-shared-secret", "s", "--scenario", "send_1"]
    assert main(arguments) == 1
    assert "FAILED send_1: preparing: ConnectionRefusedError" in capsys.readouterr().out


def test_a_command_that_does_not_serve_ends_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--command", "dud=sh -c 'echo no such luck; exit 3' {config} {data}"]) == 2
    assert "dud did not start: no such luck" in capsys.readouterr().err


def test_a_command_without_placeholders_gets_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--command", "echo serve"]) == 2
    assert "command 1 did not start: serve -c /" in capsys.readouterr().err
