"""Migrations by hand."""

from pathlib import Path

import pytest

from homeserver.cli.main import main
from homeserver.storage.migrate import newest_version


def test_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["migrate", "--data-dir", str(tmp_path), "-o", "server_name=localhost"]
    assert main(arguments) == 0
    first, *steps = capsys.readouterr().out.splitlines()
    assert f"{len(steps)} steps to {newest_version()}" in first
    assert steps[-1].startswith(f"Applied {newest_version()}: ")
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"Nothing to do: the schema is {newest_version()} already.\n"


def test_directory_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing"
    assert main(["migrate", "--data-dir", str(missing), "-o", "server_name=localhost"]) == 2
    assert str(missing) in capsys.readouterr().err
    assert not missing.exists()
