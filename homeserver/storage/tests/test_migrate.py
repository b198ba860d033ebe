"""From whatever a database is at to the schema of the program, or a refusal that says why."""

import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from homeserver.runtime.child_process import run_apart
from homeserver.storage import migrate as migrations
from homeserver.storage import upgrade
from homeserver.storage.engine import Connection, Engine, StorageError, Transaction
from homeserver.storage.migrate import is_current, migrate, newest_version, schema_version
from homeserver.storage.postgres import Postgres
from homeserver.storage.sqlite import Sqlite
from tests.postgres import database


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database."""
    if request.param == "sqlite":
        yield Sqlite(str(tmp_path / "db"))
        return
    with database() as arguments:
        yield Postgres(arguments)


def with_connection(engine: Engine, use: Callable[[Connection], object]) -> object:
    connection = engine.connect()
    try:
        return use(connection)
    finally:
        connection.close()


def change(engine: Engine, statement: str) -> None:
    def run(connection: Connection) -> None:
        with connection.writing(ordered=True) as txn:
            txn.execute(statement)

    with_connection(engine, run)


def version(engine: Engine) -> object:
    return with_connection(engine, lambda connection: schema_version(connection, engine.name))


def tables(engine: Engine) -> object:
    def read(connection: Connection) -> set[str]:
        with connection.reading() as txn:
            return migrations._tables(txn, engine.name)

    return with_connection(engine, read)


def up(engine: Engine) -> list[str]:
    """What was said on the way."""
    said: list[str] = []
    migrate(engine, progress=said.append)
    return said


def test_from_nothing(engine: Engine) -> None:
    assert version(engine) is None
    assert not is_current(engine)
    said = up(engine)
    assert version(engine) == newest_version()
    assert is_current(engine)
    steps = int(newest_version())
    assert said[0] == f"The database schema is empty; {steps} steps to {newest_version()}."
    assert [line[:12] for line in said[1:]] == [f"Applied {step:04}" for step in range(1, steps + 1)]


def test_nothing_to_do(engine: Engine) -> None:
    assert migrate(engine, progress=lambda _: None)
    change(engine, "UPDATE stream_position SET position = 7")
    assert not migrate(engine, progress=lambda _: None)
    assert up(engine) == []


def test_a_newer_database_is_refused(engine: Engine) -> None:
    up(engine)
    change(engine, "UPDATE alembic_version SET version_num = '9999'")
    for look in (is_current, migrate):
        with pytest.raises(StorageError, match=r"newer Folkmoot \(schema 9999"):
            look(engine)


def test_a_foreign_database_is_refused_and_left_alone(engine: Engine) -> None:
    change(engine, "CREATE TABLE events (id BIGINT)")
    for look in (is_current, migrate):
        with pytest.raises(StorageError, match="belongs to another program"):
            look(engine)
    assert tables(engine) == {"events"}


def test_one_of_another_program_that_uses_alembic_is_refused(engine: Engine) -> None:
    change(engine, "CREATE TABLE alembic_version (version_num TEXT)")
    change(engine, "CREATE TABLE events (id BIGINT)")
    with pytest.raises(StorageError, match="belongs to another program"):
        migrate(engine)


def fail_at(monkeypatch: pytest.MonkeyPatch, word: str, failure: BaseException) -> None:
    """The statement in which `word` is fails, after others of its version were run."""
    whole = upgrade._in_words_of

    def words(dialect: str, statement: str) -> str:
        if word in statement:
            raise failure
        return whole(dialect, statement)

    monkeypatch.setattr(upgrade, "_in_words_of", words)


@pytest.mark.parametrize("word", ["CREATE TABLE known_user", "CREATE TABLE room_summary"])
def test_an_interrupted_step_leaves_nothing_and_is_resumed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    with monkeypatch.context() as patches:
        fail_at(patches, word, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            up(engine)
    reached = version(engine)
    assert reached == (None if "known_user" in word else "0002")
    present = tables(engine)
    assert isinstance(present, set)
    assert not present & {"folkmoot", "stream_position", "room", "room_slot"} - (
        {"folkmoot", "stream_position"} if reached else set()
    )
    said = up(engine)
    assert said[0].startswith(f"The database schema is {reached or 'empty'};")
    assert is_current(engine)
    change(engine, "UPDATE stream_position SET position = position + 1")


def test_a_wrong_statement_stops_it(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patches:
        fail_at(patches, "CREATE TABLE room_summary", ValueError("oh"))
        with pytest.raises(ValueError, match="oh"):
            up(engine)
    assert version(engine) == "0002"


def test_in_a_process_of_its_own(engine: Engine) -> None:
    run_apart(lambda: migrate(engine, progress=lambda _: None))
    assert is_current(engine)


def test_several_processes_at_once() -> None:
    """All of them find a database to work with, whoever did the work."""
    with database() as arguments:
        _start_together(Postgres(arguments))


def _start_together(engine: Engine) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(3)

    def start() -> None:
        ready.wait(10)
        migrate(engine, progress=lambda _: None)

    processes = [context.Process(target=start) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert is_current(engine)

    def rows(txn: Transaction) -> list[tuple[object, ...]]:
        return txn.rows("SELECT position FROM stream_position")

    def read(connection: Connection) -> object:
        with connection.reading() as txn:
            return rows(txn)

    assert with_connection(engine, read) == [(0,)]
