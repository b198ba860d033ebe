from pathlib import Path
from typing import Any

import pytest

from config.database import PostgresDatabase, SqliteDatabase
from config.tests.conftest import Configure, Mistakes

URLS = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///chat.db", "DATA/chat.db"),
        ("sqlite:///db/chat%20room.db", "DATA/db/chat room.db"),
        ("sqlite:////var/chat.db", "/var/chat.db"),
        ("sqlite:///:memory:", ":memory:"),
        ("sqlite://", ":memory:"),
    ],
)
def test_sqlite_urls(configure: Configure, tmp_path: Path, url: str, path: str) -> None:
    database = configure(f"database: '{url}'\n").config.database
    assert database == SqliteDatabase(path.replace("DATA", str(tmp_path)))


def test_sqlite_with_the_pool_of_synapse(configure: Configure, tmp_path: Path) -> None:
    args = "{database: /var/chat.db, cp_min: 1, cp_max: 1, check_same_thread: false}"
    loaded = configure(f"database: {{name: sqlite3, args: {args}}}\n")
    assert loaded.config.database == SqliteDatabase("/var/chat.db")
    assert loaded.unused == ("database.args.check_same_thread",)


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        (
            "postgresql://fm:p%40ss@db.example.org:5433/chat?sslmode=require&connect_timeout=5",
            {
                "user": "fm",
                "password": "p@ss",
                "host": "db.example.org",
                "port": 5433,
                "dbname": "chat",
                "sslmode": "require",
                "connect_timeout": 5,
            },
        ),
        ("postgres://db/chat", {"host": "db", "dbname": "chat"}),
        ("postgresql://fm@[::1]/chat", {"user": "fm", "host": "::1", "dbname": "chat"}),
        ("postgresql:///chat?host=/run/pg", {"dbname": "chat", "host": "/run/pg"}),
    ],
)
def test_postgresql_urls(configure: Configure, url: str, arguments: dict[str, Any]) -> None:
    database = configure(overrides=[f"database={url}"]).config.database
    assert database == PostgresDatabase(arguments=arguments)


def test_postgresql_as_synapse_has_it(configure: Configure) -> None:
    loaded = configure(
        """
database:
  name: psycopg2
  txn_limit: 10000
  args: {user: fm, password: hush, database: chat, host: localhost, port: 5432, cp_min: 2, cp_max: 8}
"""
    )
    assert loaded.config.database == PostgresDatabase(
        arguments={"user": "fm", "password": "hush", "database": "chat", "host": "localhost", "port": 5432},
        cp_min=2,
        cp_max=8,
    )
    assert loaded.unused == ("database.txn_limit",)
    assert "hush" not in repr(loaded)


def test_the_pool_of_a_url(configure: Configure) -> None:
    database = configure(overrides=["database=postgresql:///chat?cp_max=20"]).config.database
    assert database == PostgresDatabase(arguments={"dbname": "chat"}, cp_max=20)


def test_the_password_can_be_in_a_file(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("hush\n")
    text = "database: {name: psycopg2, args: {dbname: chat, password_path: pw}}\n"
    database = configure(text).config.database
    assert database == PostgresDatabase(arguments={"dbname": "chat", "password": "hush"})


def test_a_part_can_be_overridden(configure: Configure) -> None:
    text = "database: {name: psycopg2, args: {dbname: chat}}\n"
    database = configure(text, environ={"FOLKMOOT_DATABASE__ARGS__PASSWORD": "hush"}).config.database
    assert database == PostgresDatabase(arguments={"dbname": "chat", "password": "hush"})


@pytest.mark.parametrize(
    ("database", "problem"),
    [
        ("5", f"database must be a mapping of name and args, or {URLS}"),
        ("mysql://fm:hush@db/chat", f"database must be {URLS}, or a mapping of name and args"),
        ("postgresql://fm:hush@db:x/chat", f"database must be {URLS}, or a mapping of name and args"),
        ("sqlite://chat.db", f"database must be {URLS}, or a mapping of name and args"),
        ("{name: mysql}", 'database.name must be sqlite3 or psycopg2, not "mysql"'),
        ("{args: {}}", "database.name must be sqlite3 or psycopg2, not null"),
        ("{name: sqlite3}", 'database.args needs a database: the path of a file, or ":memory:"'),
        ("{name: sqlite3, args: {database: 5}}",
         'database.args needs a database: the path of a file, or ":memory:"'),
        ("{name: sqlite3, args: chat.db}", "database needs a mapping as its args"),
        ("{name: psycopg2, args: {pasword: hush}}",
         "there is no setting database.args.pasword; did you mean database.args.password?"),
        ("{name: psycopg2, args: {password: [hush]}}",
         "database.args.password must be text or a whole number"),
        ("{name: psycopg2, args: {password: hush, password_path: pw}}",
         "database.args: password and password_path are one setting given twice; keep one of them"),
        ("{name: psycopg2, args: {cp_min: 9, cp_max: 5}}",
         "database.args: cp_min, 9, must not be above cp_max, 5"),
        ("{name: psycopg2, args: {cp_max: 0}}", "database.args.cp_max must be at least 1, not 0"),
        ("{name: psycopg2, argz: {}}", "there is no setting database.argz; did you mean database.args?"),
    ],
)  # fmt: skip
def test_mistakes(mistakes: Mistakes, database: str, problem: str) -> None:
    assert mistakes(f"database: {database}\n") == [f"homeserver.yaml line 2: {problem}"]
