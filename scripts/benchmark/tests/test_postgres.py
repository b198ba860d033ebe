import os
from pathlib import Path

import psycopg2
import pytest

from scripts.benchmark.postgres import PostgresServer, PostgresUnavailable, find_binaries


@pytest.fixture(autouse=True)
def _installed() -> None:
    try:
        find_binaries()
    except PostgresUnavailable as reason:
        pytest.skip(str(reason))


def test_databases_are_separate_bytewise_and_durable() -> None:
    with PostgresServer() as server:
        arguments = [server.create_database() for _ in range(2)]
        assert arguments[0]["dbname"] != arguments[1]["dbname"]
        connection = psycopg2.connect(**arguments[0])
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT datcollate, current_setting('fsync') FROM pg_database WHERE datname = %s",
                [arguments[0]["dbname"]],
            )
            assert cursor.fetchone() == ("C", "on")
            cursor.execute("SELECT 'a' < 'B'")
            assert cursor.fetchone() == (False,)
        connection.close()


def test_stop_ends_the_server_with_connections_open_and_removes_its_files() -> None:
    server = PostgresServer({"fsync": "off"})
    server.start()
    arguments, pid = server.create_database(), server.pid
    connection = psycopg2.connect(**arguments)
    server.stop()
    connection.close()
    assert not Path(arguments["host"]).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_does_not_start_says_why_and_leaves_nothing() -> None:
    server = PostgresServer({"no_such_setting": "1"})
    with pytest.raises(PostgresUnavailable, match="no_such_setting"):
        server.start()
    with pytest.raises(PostgresUnavailable):
        server.create_database()
