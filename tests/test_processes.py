import json
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.processes import HomeserverProcess, ServerProcess


class Program(HomeserverProcess):
    """Any Python program in the place of a homeserver; it finds its port in PORT."""

    text = ""

    def command(self) -> list[str]:
        return [sys.executable, "-c", f"PORT = {self.port}\n{self.text}"]


class Deaf(Program):
    """Healthy, but it has to be killed."""

    text = """
import signal, http.server
signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", PORT), Healthy).serve_forever()
"""


class Broken(Program):
    text = "import sys; sys.exit('the disk is made of cheese')"


class Silent(Program):
    text = "import time; time.sleep(60)"


def test_folkmoot_starts_is_killed_starts_again_and_ends() -> None:
    with ServerProcess({"server_name": "example.org"}) as server:
        first = server.pid
        assert _versions(server)
        server.kill()
        assert not _runs(first)
        with pytest.raises(ConnectionRefusedError):
            _versions(server)
        server.start()
        assert server.pid != first
        assert _versions(server)
        assert server.stop() == 0
        assert "server name example.org" in server.log
    assert not server.directory.exists()


def test_a_server_that_ends_at_once_is_told_with_its_log() -> None:
    with pytest.raises(AssertionError, match=r"ended with 1 .*\n.*made of cheese"), Broken():
        pass


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.processes.READY_SECONDS", 0.2)
    server = Silent()
    with pytest.raises(AssertionError, match=r"did not start within 0\.2 s"):
        server.start()
    with pytest.raises(AssertionError, match="not running"):
        server.stop()
    server.remove()


def test_a_server_that_does_not_want_to_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.processes.STOP_SECONDS", 0.2)
    with Deaf() as server:
        pid = server.pid
        with pytest.raises(AssertionError, match=r"did not end within 0\.2 s"):
            server.stop()
        assert not _runs(pid)


def _versions(server: HomeserverProcess) -> list[str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/_matrix/client/versions")
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    versions: list[str] = answer["versions"]
    return versions


def _runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
