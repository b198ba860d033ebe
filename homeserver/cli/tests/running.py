"""Commands as real processes, and a server that is ready when it is handed over."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PROJECT = Path(__file__).parents[3]
PATIENCE = 30  # seconds, on a machine that is busy with other things


def folkmoot(*arguments: str | Path, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "homeserver", *map(str, arguments)],
        cwd=PROJECT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def refusal(process: "subprocess.CompletedProcess[str]") -> str:
    """The one sentence with which a command was refused."""
    assert process.returncode == 2, process
    assert "Traceback" not in process.stderr
    (line,) = [line for line in process.stderr.splitlines() if line.startswith("folkmoot: ")]
    assert process.stderr.endswith(f"{line}\n")
    return line.removeprefix("folkmoot: ")


def settings(**values: object) -> list[str]:
    return [f"-o{name}={json.dumps(value)}" for name, value in values.items()]


def listening(port: int = 0, **more: object) -> Mapping[str, object]:
    """A listener on the loopback interface; port 0 is any free one."""
    client = [{"names": ["client", "metrics"]}]
    return {"port": port, "bind_addresses": ["127.0.0.1"], "resources": client, **more}


@dataclass
class Running:
    """A server that has said that it is ready."""

    process: "subprocess.Popen[str]"
    greeting: str

    @property
    def port(self) -> int:
        port = urlsplit(self.greeting.split()[3]).port
        assert port is not None
        return port

    def request(
        self, method: str, path: str, body: object = None, token: str | None = None
    ) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(text) if is_json else text.decode()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def log_until(self, text: str) -> str:
        """The next line of the log that has `text` in it."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if text in line:
                return line
        raise AssertionError(f"the log ended without {text!r}")


@contextmanager
def running(data_dir: Path, options: Sequence[str] = ()) -> Iterator[Running]:
    """A server named localhost on a free port, unless `options` say otherwise. It is killed at the end."""
    usual = settings(server_name="localhost", listeners=[listening()], enable_metrics=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "homeserver", "serve", "--data-dir", str(data_dir), *usual, *options],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        greeting = process.stdout.readline()
        if not greeting:
            raise AssertionError(process.communicate(timeout=PATIENCE)[1])
        yield Running(process, greeting)
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)
