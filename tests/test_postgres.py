import psycopg2
import pytest

from scripts.benchmark.postgres import ConnectionArguments
from tests import postgres
from tests.postgres import database


def _execute(arguments: ConnectionArguments, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(**arguments)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_each_test_has_a_database_to_itself() -> None:
    with database() as first, database() as second:
        _execute(first, "CREATE TABLE mine (id INTEGER)")
        with pytest.raises(psycopg2.errors.UndefinedTable):
            _execute(second, "SELECT * FROM mine")


def test_a_preparation_is_copied_and_not_repeated() -> None:
    prepared = []

    def prepare(arguments: ConnectionArguments) -> None:
        prepared.append(arguments["dbname"])
        _execute(arguments, "CREATE TABLE counter AS SELECT 1 AS value")

    with database(prepare) as first, database(prepare) as second:
        _execute(first, "UPDATE counter SET value = 2")
        assert _execute(second, "SELECT value FROM counter") == [(1,)]
    assert len(prepared) == 1


def test_a_database_goes_even_while_somebody_is_connected() -> None:
    with database() as arguments:
        connection = psycopg2.connect(**arguments)
    with pytest.raises(psycopg2.OperationalError):
        connection.cursor().execute("SELECT 1")
    connection.close()
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        _execute(arguments, "SELECT 1")


def test_there_is_one_server() -> None:
    assert postgres.server() is postgres.server()
    with database() as first, database() as second:
        assert first["host"] == second["host"]
