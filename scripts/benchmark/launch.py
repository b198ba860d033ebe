"""Starting the servers to be measured, all with one configuration in Synapse's terms."""

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from scripts.loopback import free_port, loopback_settings
from scripts.synapse_environment import synapse_python

from .measurement import Processes
from .postgres import PostgresServer
from .process import ProcessTree

PROJECT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 60.0
STOP_SECONDS = 30.0

# Warnings only: what is measured is the server, not the writing of its log.
_LOG_CONFIG = {
    "version": 1,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "disable_existing_loggers": False,
}


_UNLIMITED = {"concurrent": 100, "sleep_limit": 1_000_000, "reject_limit": 1_000_000}


def federating(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, with which other servers of this machine are spoken to as well."""
    (listener,) = settings["listeners"]
    resources = [{"names": ["client", "federation", "health"], "compress": False}]
    return {
        **settings,
        "listeners": [{**listener, "resources": resources}],
        "ip_range_blacklist": [],
        "federation_verify_certificates": False,
        "rc_federation": _UNLIMITED,
        "federation_rr_transactions_per_room_per_second": 1000,
    }


class LaunchFailed(Exception):
    """The server did not start; the message holds the end of its log."""


def folkmoot_command() -> str:
    return f"{shlex.quote(str(PROJECT / '.venv/bin/folkmoot'))} serve -c {{config}} --data-dir {{data}}"


def synapse_command() -> str:
    return f"{shlex.quote(str(synapse_python()))} -m synapse.app.homeserver -c {{config}}"


class LaunchedServer:
    """A homeserver process with a directory, a port and perhaps a PostgreSQL server to itself."""

    def __init__(
        self,
        name: str,
        command: str,
        *,
        postgresql: bool,
        keys_first: bool = False,
        registration: Callable[[int], Mapping[str, Any]] | None = None,
    ) -> None:
        """`command` is split as a shell would; {config} and {data} stand for the file and the directory.

        `keys_first`: run it once with --generate-keys before, as Synapse wants. `registration` is that of an
        application service at a port.
        """
        self.name = name
        self._directory = Path(tempfile.gettempdir(), f"folkmoot-bench-{secrets.token_hex(6)}")
        self._postgres = PostgresServer() if postgresql else None
        self._port = free_port()
        self._registration = registration
        self.service_port = None if registration is None else free_port()
        self._process: subprocess.Popen[bytes] | None = None
        config, data = self._directory / "homeserver.yaml", self._directory / "data"
        self._command = [
            part.replace("{config}", str(config)).replace("{data}", str(data))
            for part in shlex.split(command)
        ]
        if "/" in self._command[0]:
            # Relative to where the user is, not to the directory that the server will run in.
            self._command[0] = os.path.abspath(self._command[0])
        self._keys_first = keys_first

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def processes(self) -> Processes:
        database = ProcessTree(self._postgres.pid) if self._postgres else None
        return Processes(ProcessTree(self._process.pid) if self._process else None, database)

    def prepare(self) -> None:
        """Everything that a first start needs and that is not the start itself."""
        self._directory.mkdir(mode=0o700)
        (self._directory / "data").mkdir()
        if self._postgres:
            self._postgres.start()
        (self._directory / "log.yaml").write_text(json.dumps(_LOG_CONFIG))
        # JSON is YAML.
        (self._directory / "homeserver.yaml").write_text(json.dumps(self._configuration(), indent=1))
        if self._registration is not None and self.service_port is not None:
            self._service_file.write_text(json.dumps(self._registration(self.service_port)))
        if self._keys_first:
            made = subprocess.run(
                [*self._command, "--generate-keys"], check=False, capture_output=True, cwd=self._directory
            )
            if made.returncode:
                raise LaunchFailed(
                    f"{self.name} made no keys: {made.stderr.decode(errors='replace')[-2000:]}"
                )

    def start(self) -> float:
        """Seconds from the start of the process until /versions answers."""
        started = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                # Ctrl-C is for us; we stop the server.
                start_new_session=True,
            )
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() > started + READY_SECONDS:
                raise LaunchFailed(f"{self.name} did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.005)
        return time.perf_counter() - started

    def stop(self) -> None:
        """End the process; its data stay."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def remove(self) -> None:
        """Stop all and leave nothing behind."""
        self.stop()
        if self._postgres:
            self._postgres.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def _log(self) -> Path:
        return self._directory / "log"

    @property
    def _service_file(self) -> Path:
        return self._directory / "service.yaml"

    def _answers(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=READY_SECONDS)
        try:
            connection.request("GET", "/_matrix/client/versions")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _configuration(self) -> dict[str, object]:
        return {
            **federating(loopback_settings(self._directory / "data", self._port)),
            "database": self._database(),
            "app_service_config_files": [] if self._registration is None else [str(self._service_file)],
            "log_config": str(self._directory / "log.yaml"),
        }

    def _database(self) -> dict[str, object]:
        if self._postgres:
            return {
                "name": "psycopg2",
                "args": {**self._postgres.create_database(), "cp_min": 5, "cp_max": 10},
            }
        return {"name": "sqlite3", "args": {"database": str(self._directory / "data/homeserver.db")}}
