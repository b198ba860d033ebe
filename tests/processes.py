"""Homeservers as their operators have them: real processes, which can be killed and started again."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.loopback import free_port, loopback_settings

READY_SECONDS = 60.0
STOP_SECONDS = 30.0

_PROJECT = Path(__file__).resolve().parent.parent


class HomeserverProcess(ABC):
    """A server with a directory, a loopback port and a log to itself, which stay the same over restarts.

    As a context manager it is started, and gone afterwards with all its files.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        """`settings` are over those of scripts.loopback.loopback_settings."""
        self.directory = Path(tempfile.mkdtemp(prefix="folkmoot-test-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._settings = {**loopback_settings(self.directory, self.port), **(settings or {})}
        # JSON is YAML.
        self.config.write_text(json.dumps(self._settings, indent=1))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.directory / "homeserver.yaml"

    @property
    def server_name(self) -> str:
        return str(self._settings["server_name"])

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def log(self) -> str:
        """All that the server wrote on its standard output and error, over all its starts."""
        path = self._log_file
        return path.read_text(errors="replace") if path.exists() else ""

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments; it runs in the project's root."""

    def start(self) -> None:
        """Returns when /health answers; raises AssertionError with the log if that does not happen."""
        self.spawn()
        self._await_ready()

    def spawn(self) -> None:
        """Start it without waiting until it is ready."""
        assert self._process is None, "it is running"
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=_PROJECT,
                # Ctrl-C is for the tests, which end their servers themselves.
                start_new_session=True,
            )

    def stop(self) -> int:
        """Ask it to end, as an operator would, and wait; the exit code."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end within {STOP_SECONDS:g} s:\n{self.log}") from None
        self._process = None
        return code

    def kill(self) -> None:
        """End it without warning, as `kill -9` does."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None

    def remove(self) -> None:
        """Leave nothing behind."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _log_file(self) -> Path:
        return self.directory / "log"

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it is not running"
        return self._process

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._healthy():
            code = self._running().poll()
            if code is not None:
                self._process = None
                raise AssertionError(f"the server ended with {code} instead of starting:\n{self.log}")
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server did not start within {READY_SECONDS:g} s:\n{self.log}")
            time.sleep(0.02)

    def _healthy(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=READY_SECONDS)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


class ServerProcess(HomeserverProcess):
    """Folkmoot, as `folkmoot serve` starts it."""

    def command(self) -> list[str]:
        settings = ["-c", str(self.config), "--data-dir", str(self.directory)]
        return [sys.executable, "-m", "homeserver", "serve", *settings]
