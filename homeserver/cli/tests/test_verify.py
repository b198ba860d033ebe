"""The command on the database of a real server."""

import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from homeserver.cli.main import main
from homeserver.cli.tests.running import folkmoot, listening, refusal, running, settings
from homeserver.cli.tests.test_serve import OPEN, register

NAME = settings(server_name="localhost")
Verify = Callable[..., tuple[int, list[str]]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a server that had one room, and has ended."""
    directory = tmp_path_factory.mktemp("served")
    with running(directory, OPEN) as server:
        status, _ = server.request("POST", "/_matrix/client/v3/createRoom", {}, register(server))
        assert status == 200
        beside = folkmoot("verify", "--data-dir", directory, *NAME)
        assert beside.returncode == 0, beside
        here = settings(listeners=[listening(server.port)])
        refused = folkmoot("verify", "--rebuild", "--data-dir", directory, *NAME, *here)
        assert refusal(refused) == f"A server answers on port {server.port}; stop it before --rebuild."
    return directory


@pytest.fixture
def data(served: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(served, tmp_path / "copy"))


@pytest.fixture
def verify(data: Path, capsys: pytest.CaptureFixture[str]) -> Verify:
    """The exit code and what was printed, once the command has run."""

    def run(*options: str) -> tuple[int, list[str]]:
        capsys.readouterr()
        # No server answers on port 0, which is no port.
        usual = [*NAME, *settings(listeners=[listening(0)])]
        code = main(["verify", "--data-dir", str(data), *usual, *options])
        return code, capsys.readouterr().out.splitlines()

    return run


def damage(data: Path, statement: str) -> None:
    with closing(sqlite3.connect(data / "folkmoot.db")) as connection, connection:
        assert connection.execute(statement).rowcount > 0


def test_nothing_differs(verify: Verify) -> None:
    code, (line,) = verify()
    assert code == 0
    assert line.startswith("Everything agrees: 1 rooms, ")


def test_difference(data: Path, verify: Verify) -> None:
    damage(data, "UPDATE room_summary SET joined = 7")
    code, (difference, verdict) = verify()
    assert code == 1
    assert difference.endswith(": room_summary (has 7 joined, 0 invited)")
    assert verdict.startswith("1 differences: ")


def test_rebuild(data: Path, verify: Verify) -> None:
    damage(data, "DELETE FROM room_state_span")
    code, lines = verify("--rebuild")
    assert (code, lines[-2]) == (0, "Deriving the rooms anew.")
    assert lines[-1].startswith("Everything agrees: ")
    assert verify()[0] == 0


def test_rebuild_beside_a_server_on_a_unix_socket(tmp_path: Path, verify: Verify) -> None:
    path = tmp_path / "socket"
    here = settings(listeners=[{"path": str(path), "resources": [{"names": ["client"]}]}])
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert verify("--rebuild", *here)[0] == 2
    # What a server that was killed left behind is in nobody's way.
    assert verify("--rebuild", *here)[0] == 0


def test_what_no_rebuild_mends(data: Path, verify: Verify) -> None:
    damage(data, "DELETE FROM room_event_body")
    code, lines = verify("--rebuild")
    assert code == 1
    assert any(line.startswith("Not rebuilt: ") for line in lines)


def test_no_database(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "folkmoot.db").unlink()
    assert main(["verify", "--data-dir", str(data), *NAME]) == 2
    assert "There is no database" in capsys.readouterr().err
    assert not (data / "folkmoot.db").exists()


def test_no_key(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (key,) = data.glob("*.key")
    key.unlink()
    assert main(["verify", "--data-dir", str(data), *NAME]) == 2
    assert "signing key" in capsys.readouterr().err
    assert not key.exists()


def test_older_schema(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(data, "UPDATE alembic_version SET version_num = '0001'")
    assert main(["verify", "--data-dir", str(data), *NAME]) == 2
    assert "folkmoot migrate" in capsys.readouterr().err
