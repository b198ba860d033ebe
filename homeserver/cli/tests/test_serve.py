"""The server as operators run it: its start, its signals, and what it says when it cannot start."""

import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography import x509

from homeserver.cli.tests.running import (
    PATIENCE,
    PROJECT,
    Running,
    folkmoot,
    listening,
    refusal,
    running,
    settings,
)
from homeserver.http.tests.certificates import write_certificate
from homeserver.http.tests.test_openapi import problems_of

NOBODY = 65534


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a server that has run once."""
    directory = tmp_path_factory.mktemp("used")
    process = folkmoot("user", "list", "--data-dir", directory, *settings(server_name="localhost"))
    assert process.returncode == 0, process.stderr
    return directory


@pytest.fixture
def data(used: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    for file in used.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def serve(data_dir: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """A start that is expected to fail."""
    usual = settings(server_name="localhost", listeners=[listening()])
    return folkmoot("serve", "--data-dir", data_dir, *usual, *options)


def contents(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def register(server: Running) -> str:
    """The access token of a new user."""
    body = {"username": "alice", "password": "S3cret-enough", "auth": {"type": "m.login.dummy"}}
    status, answer = server.request("POST", "/_matrix/client/v3/register", body)
    assert status == 200, answer
    return str(answer["access_token"])


OPEN = settings(enable_registration=True, enable_registration_without_verification=True)


class TestLife:
    def test_first_start_makes_everything_and_sigterm_ends_it(self, tmp_path: Path) -> None:
        directory = tmp_path / "new"
        pid_file = tmp_path / "pid"
        with running(directory, settings(pid_file=str(pid_file))) as server:
            assert server.greeting.startswith("Folkmoot is ready: http://localhost:")
            assert server.greeting.endswith("/ (server name localhost)\n")
            assert int(pid_file.read_text()) == server.process.pid
            assert server.request("GET", "/health") == (200, "OK")
            assert {"folkmoot.db", "localhost.signing.key"} <= contents(directory).keys()
            assert directory.stat().st_mode & 0o777 == 0o700
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
        assert not pid_file.exists()

    def test_its_api_is_described_by_the_rules(self, data: Path) -> None:
        with running(data) as server:
            status, document = server.request("GET", "/_folkmoot/openapi.json")
        assert status == 200
        assert problems_of(document) == []
        assert "/_matrix/client/v3/rooms/{room_id}/send/{event_type}/{txn_id}" in document["paths"]

    def test_interrupt_ends_it_too(self, data: Path) -> None:
        with running(data) as server:
            server.signal(signal.SIGINT)
            assert server.wait() == 0

    def test_configuration_in_the_data_directory_is_read(self, data: Path) -> None:
        (data / "homeserver.yaml").write_text("user_agent_suffix: x\nmax_upload_sice: 5M\n")
        assert "max_upload_size" in refusal(serve(data))

    def test_long_poll_ends_early_and_well(self, data: Path) -> None:
        with running(data, OPEN) as server, ThreadPoolExecutor() as pool:
            token = register(server)
            _, first = server.request("GET", "/_matrix/client/v3/sync", token=token)
            path = f"/_matrix/client/v3/sync?timeout=60000&since={first['next_batch']}"
            poll = pool.submit(server.request, "GET", path, token=token)
            while not poll.done() and not is_waiting(server):
                time.sleep(0.01)
            server.signal(signal.SIGTERM)
            status, answer = poll.result(PATIENCE)
            assert (status, answer["next_batch"]) == (200, first["next_batch"])
            assert server.wait() == 0

    def test_second_signal_ends_it_at_once(self, data: Path) -> None:
        # 2**9 times the usual work, so that the password of this request is being looked at for many seconds.
        with running(data, [*OPEN, *settings(bcrypt_rounds=21)]) as server, ThreadPoolExecutor() as pool:
            body = {"type": "m.login.password", "user": "alice", "password": "x"}
            slow = pool.submit(server.request, "POST", "/_matrix/client/v3/login", body)
            while not is_waiting(server):
                time.sleep(0.01)
            server.signal(signal.SIGTERM)
            server.log_until("stopping")
            assert server.process.poll() is None
            server.signal(signal.SIGTERM)
            assert server.wait() == -signal.SIGTERM
            with pytest.raises(ConnectionError):
                slow.result(PATIENCE)

    def test_hang_up_renews_certificate_and_log(self, data: Path) -> None:
        tls = write_certificate(data, serial=1)
        log_config, log_file = data / "log.yaml", data / "server.log"
        log_config.write_text(
            f"{{version: 1, handlers: {{f: {{class: logging.FileHandler, filename: {log_file}}}}},"
            " root: {level: INFO, handlers: [f]}}"
        )
        options = settings(
            listeners=[listening(tls=True)],
            tls_certificate_path=str(tls.certificate_path),
            tls_private_key_path=str(tls.private_key_path),
            log_config=str(log_config),
        )
        with running(data, options) as server:
            assert serial_shown(server.port) == 1
            write_certificate(data, serial=2)
            log_file.rename(data / "server.log.1")
            server.signal(signal.SIGHUP)
            while not log_file.exists() or "again" not in log_file.read_text():
                time.sleep(0.01)
            assert serial_shown(server.port) == 2

    def test_hang_up_with_a_broken_certificate_changes_nothing(self, data: Path) -> None:
        tls = write_certificate(data, serial=1)
        options = settings(
            listeners=[listening(tls=True)],
            tls_certificate_path=str(tls.certificate_path),
            tls_private_key_path=str(tls.private_key_path),
        )
        with running(data, options) as server:
            assert tls.certificate_path is not None
            tls.certificate_path.write_text("gone")
            server.signal(signal.SIGHUP)
            assert "holds no certificate" in server.log_until("ERROR")
            assert serial_shown(server.port) == 1


class TestRefusals:
    """One clear sentence, exit code 2, no traceback, and nothing overwritten."""

    def test_no_server_name(self, tmp_path: Path) -> None:
        assert "folkmoot init --server-name NAME" in refusal(folkmoot("serve", "--data-dir", tmp_path))
        assert contents(tmp_path) == {}

    def test_several_mistakes_are_a_line_each(self, tmp_path: Path) -> None:
        process = serve(tmp_path, *settings(max_upload_size="much", no_such_thing=1))
        assert process.returncode == 2
        lines = process.stderr.splitlines()
        assert len(lines) == 2
        assert all(line.startswith("folkmoot: ") for line in lines)

    def test_corrupt_database(self, data: Path) -> None:
        (data / "folkmoot.db").write_bytes(b"\x00garbage" * 5000)
        before = contents(data)
        assert str(data / "folkmoot.db") in refusal(serve(data))
        assert contents(data) == before

    def test_truncated_database(self, data: Path) -> None:
        whole = (data / "folkmoot.db").read_bytes()
        (data / "folkmoot.db").write_bytes(whole[:6000])
        before = contents(data)
        assert "folkmoot.db" in refusal(serve(data))
        assert contents(data) == before

    def test_first_start_that_was_interrupted_goes_on(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "folkmoot.db") as begun:
            begun.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        begun.close()
        process = folkmoot("migrate", "--data-dir", tmp_path, *settings(server_name="localhost"))
        assert process.returncode == 0, process.stderr
        assert "0001" in process.stdout

    def test_database_of_another_program(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "folkmoot.db") as foreign:
            foreign.execute("CREATE TABLE songs (title TEXT)")
        foreign.close()
        before = contents(tmp_path)
        assert "belongs to another program" in refusal(serve(tmp_path))
        assert contents(tmp_path) == before

    def test_database_of_a_newer_version(self, data: Path) -> None:
        with sqlite3.connect(data / "folkmoot.db") as newer:
            newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.close()
        assert "newer Folkmoot" in refusal(serve(data))

    def test_database_of_another_server(self, data: Path) -> None:
        (data / "localhost.signing.key").rename(data / "example.org.signing.key")
        text = refusal(serve(data, *settings(server_name="example.org")))
        assert "belongs to the server localhost, not to example.org" in text

    def test_database_that_is_a_directory(self, tmp_path: Path) -> None:
        (tmp_path / "folkmoot.db").mkdir()
        assert "folkmoot.db" in refusal(serve(tmp_path))

    def test_database_server_that_is_not_there(self, tmp_path: Path) -> None:
        text = refusal(serve(tmp_path, *settings(database="postgresql://u:S3cret@127.0.0.1:1/none")))
        assert "PostgreSQL cannot be reached" in text
        assert "S3cret" not in text

    @pytest.mark.parametrize(
        "key", [b"", b"ed25519 a_1 short", b"rsa 1 AAAA", b"\xff\xfe\x00", b"-----BEGIN"]
    )
    def test_wrong_key_file(self, data: Path, key: bytes) -> None:
        path = data / "localhost.signing.key"
        path.write_bytes(key)
        assert f"The signing key {path} cannot be used" in refusal(serve(data))
        assert path.read_bytes() == key

    def test_lost_key_is_not_replaced(self, data: Path) -> None:
        path = data / "localhost.signing.key"
        path.unlink()
        assert f"There is no signing key {path}" in refusal(serve(data))
        assert not path.exists()

    def test_port_in_use(self, data: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            number = other.getsockname()[1]
            text = refusal(serve(data, *settings(listeners=[listening(number)])))
        assert text.startswith(f"Cannot listen on 127.0.0.1 port {number}: another program uses it.")

    def test_useless_certificate(self, data: Path) -> None:
        options = settings(
            listeners=[listening(tls=True)],
            tls_certificate_path=str(data / "none.crt"),
            tls_private_key_path=str(data / "none.key"),
        )
        assert f"{data / 'none.crt'} cannot be read" in refusal(serve(data, *options))

    def test_data_directory_that_is_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("precious")
        assert f"{file} is not a directory" in refusal(serve(file))
        assert "cannot be made" in refusal(serve(file / "below"))
        assert file.read_text() == "precious"

    def test_data_directory_that_cannot_be_written(self) -> None:
        # Outside of pytest's own directory, which nobody else may enter.
        with TemporaryDirectory() as directory:
            os.chmod(directory, 0o555)
            process = serve_as_nobody(directory)
            assert f"Nothing can be written into the data directory {directory}" in refusal(process)
            assert os.listdir(directory) == []

    def test_pid_file_that_cannot_be_written(self, data: Path) -> None:
        text = refusal(serve(data, *settings(pid_file=str(data / "none" / "pid"))))
        assert text == f"{data / 'none' / 'pid'}: No such file or directory"

    def test_useless_log_configuration(self, data: Path) -> None:
        assert "log_config names" in refusal(serve(data, *settings(log_config=str(data / "none"))))


def is_waiting(server: Running) -> bool:
    """Whether a thread of the server's, or the server itself, has something from us to work on."""
    _, metrics = server.request("GET", "/_synapse/metrics")
    return "folkmoot_requests_in_flight 2.0" in metrics


def serial_shown(port: int) -> int:
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=PATIENCE)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def serve_as_nobody(directory: str) -> "subprocess.CompletedProcess[str]":
    """A start without the privilege to write anywhere; whatever it imports is loaded while it may be read."""
    program = (
        "import os, sys; from homeserver.cli import explain, main, serve;"
        f"os.getuid() or os.setuid({NOBODY}); sys.exit(main.main(sys.argv[1:]))"
    )
    options = settings(server_name="localhost", listeners=[listening()])
    return subprocess.run(
        [sys.executable, "-c", program, "serve", "--data-dir", directory, *options],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
