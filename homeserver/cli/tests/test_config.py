"""What operators learn about their settings."""

from pathlib import Path

import pytest
import yaml

from config import render_docs
from homeserver.cli.main import main


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def test_good_configuration_is_good(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("server_name: example.org")
    assert main(["config", "check", "-c", str(file)]) == 0
    assert capsys.readouterr().out == "The configuration is good.\n"


def test_mistakes_are_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("server_name: example.org\nlisteners: 8008\n")
    assert main(["config", "check", "-c", str(file)]) == 2
    assert "listeners" in capsys.readouterr().err


def test_settings_without_effect_are_errors_here(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("server_name: example.org\nsaml2_config: {enabled: true}\n")
    assert main(["config", "check", "-c", str(file)]) == 2
    assert "saml2_config" in capsys.readouterr().err


def test_show_is_what_counts_with_secrets_hidden(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("server_name: example.org\nregistration_shared_secret: S3cret\n")
    assert main(["config", "show", "-c", str(file), "-o", "max_upload_size=7M"]) == 0
    text = capsys.readouterr().out
    shown = yaml.safe_load(text)
    assert (shown["server_name"], shown["max_upload_size"]) == ("example.org", "7M")
    assert "S3cret" not in text


def test_file_that_is_not_there_is_said(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "-c", str(file)]) == 2
    assert str(file) in capsys.readouterr().err


def test_environment_counts(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("server_name: example.org")
    monkeypatch.setenv("FOLKMOOT_SERVER_NAME", "other.example.org")
    assert main(["config", "show", "-c", str(file)]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["server_name"] == "other.example.org"


def test_docs_need_no_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "docs"]) == 0
    assert capsys.readouterr().out == render_docs()
