"""The doctor: every ailment that it knows, and that it cures none by itself."""

import json
import shutil
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from homeserver.cli.main import main
from homeserver.cli.tests.running import listening, running, settings
from homeserver.http.tests.certificates import write_certificate

Check = Callable[..., tuple[int, list[str]]]


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A server that is well."""
    directory = tmp_path / "data"
    assert main(["init", "--server-name", "localhost", "--data-dir", str(directory)]) == 0
    assert main(["user", "list", "--data-dir", str(directory)]) == 0
    return directory


@pytest.fixture
def check(data: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """The exit code and those lines that do not begin with OK, once the command has run."""

    def run(*options: str, directory: Path = data) -> tuple[int, list[str]]:
        capsys.readouterr()
        # Not the default port, where a server of somebody's may run.
        usual = settings(listeners=[listening(free_port())])
        code = main(["check", "--data-dir", str(directory), *usual, *options])
        lines = capsys.readouterr().out.splitlines()
        assert all(line[:5] in ("OK   ", "WARN ", "FAIL ") for line in lines)
        return code, [line for line in lines if not line.startswith("OK")]

    return run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nothing_wrong(check: Check) -> None:
    assert check() == (0, [])


def test_bad_configuration_is_all_that_is_told(check: Check) -> None:
    code, lines = check("-o", "max_upload_size=much", "-o", "log_level=loud")
    assert code == 1
    assert [line.startswith("FAIL configuration: ") for line in lines] == [True, True]


def test_settings_without_effect(check: Check) -> None:
    code, (line,) = check("-o", "saml2_config={}")
    assert code == 0
    assert line.startswith("WARN configuration: ")
    assert "saml2_config" in line


def test_new_directory_is_not_made(check: Check, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    code, lines = check("-o", "server_name=localhost", directory=missing)
    assert code == 0
    assert lines == [f"WARN data directory {missing}: does not exist yet; `folkmoot serve` makes it"]
    assert not missing.exists()


def test_open_doors(check: Check, data: Path) -> None:
    data.chmod(0o755)
    (data / "localhost.signing.key").chmod(0o644)
    code, lines = check()
    assert code == 0
    assert len(lines) == 2
    assert f"chmod 700 {data}" in lines[0]
    assert f"chmod 600 {data}" in lines[1]


def test_directory_that_is_a_file(check: Check, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    code, lines = check("-o", "server_name=localhost", directory=file)
    assert code == 1
    assert lines[0].startswith("FAIL data directory")


@pytest.mark.parametrize(("free", "level", "code"), [(50 * 1024**2, "FAIL", 1), (500 * 1024**2, "WARN", 0)])
def test_full_disk(check: Check, monkeypatch: pytest.MonkeyPatch, free: int, level: str, code: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12 - free, free))
    found, (line,) = check()
    assert (found, line.split(":")[0]) == (code, f"{level} disk")


def test_wrong_key(check: Check, data: Path) -> None:
    (data / "localhost.signing.key").write_text("nonsense")
    code, (line,) = check()
    assert code == 1
    assert "cannot be used" in line


def test_lost_key(check: Check, data: Path) -> None:
    (data / "localhost.signing.key").unlink()
    code, (line,) = check()
    assert (code, line.split(" ")[0]) == (1, "FAIL")
    assert "Restore it" in line


def test_corrupt_database(check: Check, data: Path) -> None:
    garbage = b"\x00garbage" * 5000
    (data / "folkmoot.db").write_bytes(garbage)
    code, (line,) = check()
    assert code == 1
    assert line.startswith("FAIL database: ")
    assert (data / "folkmoot.db").read_bytes() == garbage


@pytest.mark.parametrize(("version", "level"), [("9999", "FAIL"), ("0001", "WARN")])
def test_other_schema(check: Check, data: Path, version: str, level: str) -> None:
    with sqlite3.connect(data / "folkmoot.db") as changed:
        changed.execute("UPDATE alembic_version SET version_num = ?", (version,))
    changed.close()
    _, (line,) = check()
    assert line.startswith(f"{level} database: ")
    assert version in line


def test_database_of_another_server(check: Check, data: Path) -> None:
    shutil.copy(data / "localhost.signing.key", data / "example.org.signing.key")
    code, (line,) = check("-o", "server_name=example.org")
    assert code == 1
    assert "belongs to the server localhost" in line


def test_database_server_that_is_not_there(check: Check) -> None:
    code, (line,) = check("-o", "database=postgresql://u:S3cret@127.0.0.1:1/none")
    assert code == 1
    assert line.startswith("FAIL database: PostgreSQL cannot be reached")
    assert "S3cret" not in line


def test_port_of_another_program(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeserver.cli.probing._PROBE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        code, (line,) = check(*settings(listeners=[listening(other.getsockname()[1])]))
    assert code == 1
    assert "another program uses it" in line


def test_address_of_another_machine(check: Check) -> None:
    elsewhere = listening(free_port(), bind_addresses=["203.0.113.1"])
    code, (line,) = check(*settings(listeners=[elsewhere]))
    assert code == 1
    assert "203.0.113.1" in line


@pytest.mark.parametrize("tls", [False, True])
def test_port_of_the_server_itself_is_fine(check: Check, data: Path, tls: bool) -> None:
    paths = write_certificate(data)
    certificate = settings(
        tls_certificate_path=str(paths.certificate_path), tls_private_key_path=str(paths.private_key_path)
    )
    port = free_port()
    options = [*settings(listeners=[listening(port, tls=tls)]), *certificate]
    with running(data, options):
        assert check(*options) == (0, [])


def test_socket_without_directory(check: Check, data: Path) -> None:
    unix = {"path": str(data / "none" / "s"), "resources": [{"names": ["client"]}]}
    code, (line,) = check("-o", f"listeners={json.dumps([unix])}")
    assert code == 1
    assert f"there is no directory {data / 'none'}" in line


@pytest.mark.parametrize(("days", "level", "code"), [(-1, "FAIL", 1), (5, "WARN", 0)])
def test_certificate_at_its_end(check: Check, data: Path, days: int, level: str, code: int) -> None:
    paths = write_certificate(data, days=days)
    found, (line,) = check(
        *settings(
            listeners=[listening(free_port(), tls=True)],
            tls_certificate_path=str(paths.certificate_path),
            tls_private_key_path=str(paths.private_key_path),
        )
    )
    assert found == code
    assert line.startswith(f"{level} certificate {paths.certificate_path}: expire")
