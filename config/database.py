"""Which database the server keeps its data in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from config import schema
from config.kinds import Hidden, Kind, read_secret_file
from config.option import option
from config.reading import Incomplete, Place, Unfit

IN_MEMORY = ":memory:"


@dataclass(frozen=True, slots=True)
class SqliteDatabase:
    """An embedded database. `path` is an absolute file name, or ":memory:"."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresDatabase:
    """The `args` of a PostgreSQL database.

    Besides these, all of libpq's connection parameters, such as `host`, `port`, `dbname`, `user`, `password`
    and `sslmode`; and `password_path`, a file that holds the password.
    """

    # Arguments of psycopg2.connect. Not in the repr, which might be logged.
    arguments: Mapping[str, str | int] = field(repr=False)
    cp_min: int = option(1, "Connections opened at start.", minimum=1)
    cp_max: int = option(5, "Connections open at the same time.", minimum=1)


Database = SqliteDatabase | PostgresDatabase

_SHORT_FORMS = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME"

# What Synapse accepts beside `name` and `args`.
_UNUSED = ("allow_unsafe_locale", "allow_outdated_version", "data_stores", "statement_timeout", "txn_limit")
_UNUSED_POOL = ("cp_reconnect", "cp_noisy", "cp_openfun", "cp_good_sql", "check_same_thread", "timeout")

# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
# psycopg2 takes `database` as well.
_CONNECTION_KEYWORDS = """
    application_name channel_binding client_encoding connect_timeout database dbname
    fallback_application_name gssdelegation gssencmode gsslib host hostaddr keepalives keepalives_count
    keepalives_idle keepalives_interval krbsrvname load_balance_hosts max_protocol_version
    min_protocol_version options passfile password port require_auth requirepeer service
    ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl sslcrldir
    sslkey sslkeylogfile sslmode sslnegotiation sslpassword sslrootcert sslsni target_session_attrs
    tcp_user_timeout user
""".split()  # noqa: SIM905 -- a page of quotation marks would be worse

_SECRETS = ("password", "sslpassword")


def _known(*used: str, unused: tuple[str, ...]) -> schema.KeyTree:
    return {**dict.fromkeys(used, True), **dict.fromkeys(unused, False)}


_DATABASE_KEYS = _known("name", "args", unused=_UNUSED)
_SQLITE_KEYS = _known("database", "cp_min", "cp_max", unused=_UNUSED_POOL)
_POSTGRES_KEYS = _known("cp_min", "cp_max", "password_path", *_CONNECTION_KEYWORDS, unused=_UNUSED_POOL)


def _parse(value: Any, place: Place) -> Database:
    if isinstance(value, str):
        return _parse_url(value, place)
    if not isinstance(value, dict):
        raise Unfit(f"must be a mapping of name and args, or {_SHORT_FORMS}", quote=False)
    schema.check_keys(value, _DATABASE_KEYS, place)
    arguments = value.get("args") or {}
    if not isinstance(arguments, dict):
        raise Unfit("needs a mapping as its args", quote=False)
    match value.get("name"):
        case "sqlite3":
            return _sqlite(arguments, place.below("args"))
        case "psycopg2":
            return _postgres(arguments, place.below("args"))
        case name:
            place.below("name").refuse(Unfit("must be sqlite3 or psycopg2"), name)
            raise Incomplete


def _parse_url(url: str, place: Place) -> Database:
    """The short forms. As with SQLAlchemy, three slashes begin a relative path and four an absolute one."""
    try:
        parts = urlsplit(url)
        match parts.scheme:
            case "sqlite" if not parts.netloc:
                return _sqlite({"database": unquote(parts.path).removeprefix("/") or IN_MEMORY}, place)
            case "postgresql" | "postgres":
                return _postgres(_url_arguments(parts), place)
    except ValueError:
        pass
    raise Unfit(f"must be {_SHORT_FORMS}, or a mapping of name and args", quote=False)


def _url_arguments(parts: SplitResult) -> dict[str, Any]:
    given = {
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "host": unquote(parts.hostname or ""),
        "port": parts.port,
        "dbname": unquote(parts.path.removeprefix("/")),
    }
    query = {key: int(value) if value.isdecimal() else value for key, value in parse_qsl(parts.query)}
    return {**{key: value for key, value in given.items() if value}, **query}


def _sqlite(arguments: dict[str, Any], place: Place) -> SqliteDatabase:
    schema.check_keys(arguments, _SQLITE_KEYS, place)
    path = arguments.get("database")
    if not isinstance(path, str) or not path:
        place.problem(f'{place.key} needs a database: the path of a file, or "{IN_MEMORY}"')
        raise Incomplete
    return SqliteDatabase(path if path == IN_MEMORY else str(place.reading.data_dir / path))


def _postgres(arguments: dict[str, Any], place: Place) -> PostgresDatabase:
    schema.check_keys(arguments, _POSTGRES_KEYS, place)
    known = {
        key: value for key, value in arguments.items() if key in _CONNECTION_KEYWORDS and value is not None
    }
    for key, value in known.items():
        if isinstance(value, bool) or not isinstance(value, str | int):
            place.below(key).problem(f"{place.below(key).key} must be text or a whole number")
            raise Incomplete
    if arguments.get("password_path") is not None:
        if "password" in known:
            place.problem(
                f"{place.key}: password and password_path are one setting given twice; keep one of them"
            )
            raise Incomplete
        known["password"] = read_secret_file(arguments["password_path"], place.below("password_path"))
    database = PostgresDatabase(arguments=known, **schema.read_settings(PostgresDatabase, arguments, place))
    if database.cp_min > database.cp_max:
        place.problem(f"{place.key}: cp_min, {database.cp_min}, must not be above cp_max, {database.cp_max}")
        raise Incomplete
    return database


def _show(database: Database) -> dict[str, Any]:
    if isinstance(database, SqliteDatabase):
        return {"name": "sqlite3", "args": {"database": database.path}}
    secrets = {key: Hidden(value) for key, value in database.arguments.items() if key in _SECRETS}
    return {"name": "psycopg2", "args": {**database.arguments, **secrets, **schema.show_settings(database)}}


DATABASE: Kind[Database] = Kind(
    "`sqlite:///PATH`, `postgresql://USER:PASSWORD@HOST:PORT/NAME`, "
    "or a mapping of `name`, which is `sqlite3` or `psycopg2`, and `args`",
    _parse,
    _show,
    (PostgresDatabase,),
)
