"""A PostgreSQL server of one's own, in a temporary directory, gone when stopped. Standard library only."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict

SUPERUSER = "folkmoot"
START_SECONDS = 30.0
STOP_SECONDS = 30.0


class ConnectionArguments(TypedDict):
    """What psycopg2.connect and the `args` of a Synapse-style `database` setting take."""

    host: str
    port: int
    user: str
    dbname: str


class PostgresUnavailable(Exception):
    """PostgreSQL's programs are not installed, or the server did not start."""


def find_binaries() -> Path:
    """The folder of PostgreSQL's programs: that of the PATH, or Debian's newest."""
    on_path = shutil.which("postgres")
    if on_path:
        # Only some programs may be linked into the PATH; they are all where the link leads.
        return Path(on_path).resolve().parent
    versions = [
        folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()
    ]
    if not versions:
        raise PostgresUnavailable("PostgreSQL's server programs are not installed (Debian: postgresql-15)")
    return max(versions, key=lambda folder: float(folder.parent.name))


class PostgresServer:
    """One server on a Unix socket that only its owner and root can reach; as durable as by default.

    Used as a context manager, or with start() and stop(). create_database() may be called as often as needed.
    """

    def __init__(self, settings: dict[str, str] | None = None) -> None:
        """`settings` are names of postgresql.conf, such as {"fsync": "off"} for tests."""
        self._settings = settings or {}
        self._account = _unprivileged_account()
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The postmaster, parent of every backend."""
        return self._running().pid

    def start(self) -> None:
        """Make a cluster and serve it; raises PostgresUnavailable, with the end of the server's log."""
        self._binaries = find_binaries()
        self._directory = directory = Path(tempfile.mkdtemp(prefix="folkmoot-postgres-"))
        if self._account:
            os.chown(directory, self._account.pw_uid, self._account.pw_gid)
        try:
            self._initialise(directory)
            self._serve(directory)
            self._await_ready(directory)
        except BaseException:
            self.stop()
            raise

    def create_database(self, template: str = "template0") -> ConnectionArguments:
        """A new database, collated bytewise as Synapse demands, copied from `template`."""
        self._databases += 1
        arguments = self._arguments(f"database_{self._databases}")
        options = ["--template", template, "--encoding", "UTF8", "--locale", "C"]
        self._client("createdb", *options, arguments["dbname"])
        return arguments

    def drop_database(self, name: str) -> None:
        self._client("dropdb", "--force", name)

    def halt(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server, its open connections too. SIGINT finishes what is being committed, SIGQUIT is a crash."""
        process = self._running()
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None

    def go_on(self) -> None:
        """Serve the same cluster again."""
        assert self._directory, "started before"
        self._serve(self._directory)
        self._await_ready(self._directory)

    def stop(self) -> None:
        """End the server and remove its files."""
        if self._process is not None:
            self.halt()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def _initialise(self, directory: Path) -> None:
        # --no-sync: a cluster that dies with its test need not survive a power cut before it was first used.
        options = ["--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        self._run("initdb", "--pgdata", str(directory / "data"), "--username", SUPERUSER, *options)

    def _serve(self, directory: Path) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(directory),
            "max_connections": "200",
            **self._settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", directory / "data", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                user=self._account.pw_uid if self._account else None,
                group=self._account.pw_gid if self._account else None,
                extra_groups=[] if self._account else None,
                # Ctrl-C is for whoever started us: they stop this server after their own connections.
                start_new_session=True,
            )

    def _await_ready(self, directory: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        probe = [str(self._binaries / "pg_isready"), "--quiet", "--host", str(directory)]
        while subprocess.run(probe, check=False, cwd=directory).returncode:
            if self._running().poll() is not None or time.monotonic() > deadline:
                raise PostgresUnavailable(
                    f"PostgreSQL did not start: {(directory / 'log').read_text()[-2000:]}"
                )
            time.sleep(0.05)

    def _client(self, program: str, *options: str) -> None:
        where = self._arguments("postgres")
        self._run(program, "--host", where["host"], "--username", where["user"], *options)

    def _run(self, program: str, *options: str) -> None:
        completed = subprocess.run(
            [self._binaries / program, *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._directory,
            user=self._account.pw_uid if self._account else None,
            group=self._account.pw_gid if self._account else None,
            extra_groups=[] if self._account else None,
        )
        if completed.returncode:
            raise PostgresUnavailable(f"{program} failed: {completed.stderr.strip()}")

    def _arguments(self, dbname: str) -> ConnectionArguments:
        self._running()
        return {"host": str(self._directory), "port": 5432, "user": SUPERUSER, "dbname": dbname}

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise PostgresUnavailable("the server is not running")
        return self._process


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Whom to be instead of root, for whom PostgreSQL refuses to run; None when we are somebody already."""
    if os.geteuid() != 0:
        return None
    names = {account.pw_name: account for account in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]
