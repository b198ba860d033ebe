from pathlib import Path

import pytest

from scripts.seeding.cli import main

SETTINGS = """
server_name: example.org
listeners: [{port: 1, bind_addresses: ["127.0.0.1"], resources: [{names: [client]}]}]
"""


@pytest.fixture(autouse=True)
def _no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEED_SECRET", raising=False)


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    return capsys.readouterr().err


def test_a_server_that_never_was_cannot_be_filled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Start the server first" in refusal(["--data-dir", str(tmp_path)], capsys)


def test_the_configuration_must_have_a_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "homeserver.yaml").write_text(SETTINGS)
    assert "Set registration_shared_secret in" in refusal(["--data-dir", str(tmp_path)], capsys)


def test_address_and_secret_are_those_of_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "homeserver.yaml").write_text(SETTINGS + "registration_shared_secret: x\n")
    said = refusal(["--data-dir", str(tmp_path)], capsys)
    assert "No homeserver answers at http://127.0.0.1:1:" in said


def test_another_server_needs_its_secret_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert "SEED_SECRET" in refusal(["--url", "http://127.0.0.1:1"], capsys)
