"""Making a data directory."""

from pathlib import Path

import pytest

from config import load
from config.database import PostgresDatabase
from homeserver.cli.main import main
from homeserver.runtime.key_file import ensure_key_file, read_key_file
from homeserver.runtime.randomness import Randomness


def init(directory: Path, *more: str) -> int:
    return main(["init", "--server-name", "example.org", "--data-dir", str(directory), *more])


def test_makes_directory_configuration_and_key(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "data"
    assert init(directory) == 0
    key_file = directory / "example.org.signing.key"
    modes = {path.name: path.stat().st_mode & 0o777 for path in (directory, *directory.iterdir())}
    assert modes == {"data": 0o700, "homeserver.yaml": 0o600, key_file.name: 0o600}
    config = load([directory / "homeserver.yaml"], data_dir=directory, environ={}, overrides=[]).config
    assert config.server.server_name == "example.org"
    assert config.signing_key_path == key_file
    assert read_key_file(key_file).key_id.startswith("ed25519:a_")


def test_settings_offered_in_comments_are_good_ones(tmp_path: Path) -> None:
    """Whoever uncomments everything has a configuration that works."""
    init(tmp_path)
    file = tmp_path / "homeserver.yaml"
    lines = file.read_text().splitlines()
    offered = [line.removeprefix("# ") for line in lines if line.startswith("# ") and ": " in line]
    listeners = [line.removeprefix("# ") for line in lines if line.startswith(("# listeners", "#   "))]
    settings = [line for line in offered if not line.startswith((" ", "Where", "The", "Any"))]
    file.write_text("\n".join([*settings, *listeners, 'server_name: "example.org"']))
    loaded = load([file], data_dir=tmp_path, environ={}, overrides=[])
    assert not loaded.warnings
    assert {"database", "public_baseurl", "enable_registration", "listeners"} <= loaded.sources.keys()


def test_database_is_written_down(tmp_path: Path) -> None:
    url = "postgresql://folkmoot:p%23w@db.example.org/folkmoot"
    assert init(tmp_path, "--database", url) == 0
    config = load([tmp_path / "homeserver.yaml"], data_dir=tmp_path, environ={}, overrides=[]).config
    assert isinstance(config.database, PostgresDatabase)
    assert config.database.arguments["password"] == "p#w"


def test_every_server_has_a_secret_of_its_own(tmp_path: Path) -> None:
    directories = [tmp_path / "one", tmp_path / "other"]
    for directory in directories:
        init(directory)
    secrets = [
        load(
            [directory / "homeserver.yaml"], data_dir=directory, environ={}, overrides=[]
        ).config.registration.shared_secret
        for directory in directories
    ]
    assert len(set(secrets)) == 2
    assert all(secret is not None and len(secret) >= 43 for secret in secrets)


def test_configuration_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "homeserver.yaml").write_text("precious")
    assert init(tmp_path) == 2
    assert "is not overwritten" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["homeserver.yaml"]
    assert (tmp_path / "homeserver.yaml").read_text() == "precious"


def test_key_that_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "example.org.signing.key"
    ensure_key_file(path, Randomness())
    before = path.read_bytes()
    assert init(tmp_path) == 0
    assert path.read_bytes() == before
    assert f"Kept the signing key {path}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--server-name", "https://example.org"],
        ["--server-name", ""],
        ["--server-name", "example.org", "--database", "mysql://x"],
    ],
)
def test_nothing_is_made_of_bad_settings(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "new"
    assert main(["init", "--data-dir", str(directory), *arguments]) == 2
    assert capsys.readouterr().err.startswith("folkmoot: ")
    assert not directory.exists()


def test_directory_that_is_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    assert init(file) == 2
    assert "is not a directory" in capsys.readouterr().err
    assert file.read_text() == "precious"
