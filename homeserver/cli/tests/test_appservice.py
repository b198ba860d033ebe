"""Application services by command, and a running server that is told of them."""

import json
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from homeserver.cli.tests.running import folkmoot, listening, refusal, running, settings

REGISTRATION: dict[str, Any] = {
    "id": "irc/bridge",
    "url": None,
    "as_token": "as",
    "hs_token": "hs",
    "sender_localpart": "irc",
    "namespaces": {"users": [{"regex": "@irc_.*"}]},
}


class Bridge(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def do_PUT(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """It says nothing."""


@pytest.fixture
def bridge() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Bridge)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def written(directory: Path, **changes: Any) -> Path:
    path = directory / "registration.yaml"
    path.write_text(json.dumps({**REGISTRATION, **changes}))
    return path


def appservice(data: Path, *arguments: str | Path, options: tuple[str, ...] = ()) -> Any:
    return folkmoot("appservice", *arguments, "--data-dir", data, "-o", "server_name=localhost", *options)


def test_added_listed_and_removed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    added = appservice(data, "add", written(tmp_path))
    assert added.returncode == 0, added
    (copy,) = (data / "appservices").iterdir()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert appservice(data, "list").stdout == "irc/bridge (no URL): it has everything\n"
    assert appservice(data, "remove", "irc/bridge").returncode == 0
    assert appservice(data, "list").stdout == ""


def test_refusals(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert "sender_localpart" in refusal(appservice(data, "add", written(tmp_path, sender_localpart="A B")))
    assert not (data / "appservices").exists()
    appservice(data, "add", written(tmp_path))
    assert "as_token is also that of" in refusal(appservice(data, "add", written(tmp_path, id="other")))
    assert "No application service is called" in refusal(appservice(data, "remove", "other"))
    named = settings(app_service_config_files=[str(written(tmp_path, id="named", as_token="x"))])
    told = refusal(appservice(data, "remove", "named", options=tuple(named)))
    assert "named by app_service_config_files" in told
    assert "Is it running?" in refusal(
        appservice(data, "ping", "irc/bridge", options=tuple(settings(listeners=[listening(1)])))
    )


def test_a_running_server_is_told(tmp_path: Path, bridge: str) -> None:
    data = tmp_path / "data"
    options = settings(pid_file=str(tmp_path / "pid"))
    with running(data, options) as server:
        status, _ = server.request("GET", "/_matrix/client/v3/account/whoami", token="as")
        assert status == 401
        added = appservice(data, "add", written(tmp_path, url=bridge), options=tuple(options))
        assert "The running server has been told." in added.stdout
        server.log_until("again")
        status, answer = server.request("GET", "/_matrix/client/v3/account/whoami", token="as")
        assert (status, answer["user_id"]) == (200, "@irc:localhost")
        asked_at = (*options, *settings(listeners=[listening(server.port)]))
        pinged = appservice(data, "ping", "irc/bridge", options=asked_at)
        assert pinged.stdout.startswith("irc/bridge answered in "), pinged
        # A file that cannot be used changes nothing.
        (copy,) = (data / "appservices").iterdir()
        copy.write_text("{")
        server.signal(signal.SIGHUP)
        assert "all stays as it was" in server.log_until("ERROR")
        status, _ = server.request("GET", "/_matrix/client/v3/account/whoami", token="as")
        assert status == 200
        copy.unlink()
        server.signal(signal.SIGHUP)
        server.log_until("again")
        status, _ = server.request("GET", "/_matrix/client/v3/account/whoami", token="as")
        assert status == 401
