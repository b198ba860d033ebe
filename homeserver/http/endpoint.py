"""Declaring an endpoint: all that a router, a dispatcher and a reader of the API must know, in one place."""

import inspect
import re
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import Any, BinaryIO, TypeVar, get_type_hints

import msgspec

from homeserver.protocol.json import JsonValue

F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, Any]])

_DECLARED = "__endpoint__"
DEFAULT_MAX_BODY = 1024 * 1024
# Parameters of methods that say who asks; what is asked is in the others.
GIVEN = frozenset({"requester", "origin", "caller", "upload"})


class Auth(Enum):
    """Who may call an endpoint."""

    NONE = "nobody is asked for a token"
    OPTIONAL = "a token is used if it is there"
    GUEST = "users and guests"
    LEAVING = "users and guests, even where their account is locked"
    USER = "users, not guests"
    ADMIN = "server administrators"
    SERVER = "other servers, which sign their requests"


class Limit(Enum):
    """Which rate limit a call counts towards; the value is the name of its setting in `config.rate_limits`."""

    NONE = ""
    MESSAGES = "messages"
    REGISTRATION = "registration"
    REGISTRATION_TOKEN_VALIDITY = "registration_token_validity"
    LOGIN_PER_ADDRESS = "login_per_address"
    JOINS_LOCAL = "joins_local"
    ROOM_CREATION = "room_creation"
    INVITES_PER_ISSUER = "invites_per_issuer"
    PROFILE = "profile"
    PRESENCE_PER_USER = "presence_per_user"
    USER_DIRECTORY = "user_directory"
    REPORTS = "reports"
    MEDIA_CREATE = "media_create"
    FEDERATION = "federation"


class Answer(msgspec.Struct, frozen=True):
    """An answer that is not plain JSON with status 200. A `bytes` body is sent as it is."""

    status: int = 200
    body: JsonValue = msgspec.field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """A file as the answer, sent piece by piece. Whoever sends it closes it.

    `length` is in bytes; `etag` is a strong entity tag with its quotes (RFC 9110).
    """

    file: BinaryIO
    length: int
    etag: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is no JSON, for endpoints that ask for it by a parameter named `upload`.

    It is on the disk where it is large, so it is not to be read at once. Whoever takes it closes `file`.
    """

    content_type: str | None
    length: int
    file: BinaryIO


class Form(msgspec.Struct, frozen=True):
    """What an HTML form sends: a body whose type derives from this is not JSON but a query string."""


class Caller(msgspec.Struct, frozen=True):
    """Where a request came from, for endpoints that ask for it by a parameter named `caller`."""

    address: str
    user_agent: str
    access_token: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One declared operation.

    `paths` are concrete templates: `(a|b)` alternatives of the declaration are already multiplied out.
    `waits` marks a long poll, which ends when its client goes away.
    """

    name: str
    method: str
    paths: tuple[str, ...]
    auth: Auth
    limit: Limit
    replay_by: str | None
    waits: bool
    max_body: int
    suspended: bool
    summary: str
    call: Callable[..., Coroutine[Any, Any, Any]]
    parameters: dict[str, Any]
    returns: Any


@dataclass(frozen=True, slots=True)
class _Declaration:
    method: str
    paths: tuple[str, ...]
    auth: Auth
    limit: Limit
    replay_by: str | None
    waits: bool
    max_body: int | Callable[[Any], int]
    suspended: bool


def endpoint(
    method: str,
    *paths: str,
    auth: Auth,
    limit: Limit,
    replay_by: str | None = None,
    waits: bool = False,
    max_body: int | Callable[[Any], int] = DEFAULT_MAX_BODY,
    suspended: bool = True,
) -> Callable[[F], F]:
    """Declares an async method as an endpoint.

    `paths` may hold `{name}` for a parameter of the method and `(v3|r0)` for alternatives. The other parameters of the
    method are found by name: `requester`, `origin` (the server that asks), `caller`, `body` (a
    msgspec Struct or a JSON object), `upload` (a body that is no JSON) and `query` (a Struct, or a dict of strings for
    all there is).
    `auth` and `limit` have no default, so that neither is forgotten. `max_body` is in bytes; where a setting says it,
    it is a function of the method's owner. `suspended` says whether those may call it whose accounts are suspended, or
    who have yet to accept the terms: not where it tells others something.
    """

    def declare(function: F) -> F:
        declaration = _Declaration(
            method, tuple(_alternatives(paths)), auth, limit, replay_by, waits, max_body, suspended
        )
        # Not an assignment, because the type of a function declares no such attribute.
        setattr(function, _DECLARED, declaration)
        return function

    return declare


def endpoints_of(owner: object) -> Iterator[Endpoint]:
    """The declared endpoints of an object, bound to it, in the order of their declaration."""
    for name, function in vars(type(owner)).items():
        declaration: _Declaration | None = getattr(function, _DECLARED, None)
        if declaration is not None:
            yield _bind(declaration, owner, name)


def _bind(declaration: _Declaration, owner: object, method: str) -> Endpoint:
    call, name = getattr(owner, method), f"{type(owner).__name__}.{method}"
    hints = get_type_hints(call, include_extras=True)
    returns = hints.pop("return")
    _check(declaration, name, set(hints))
    summary = (inspect.getdoc(call) or "").split("\n", 1)[0]
    max_body = declaration.max_body
    return Endpoint(
        name=name,
        method=declaration.method,
        paths=declaration.paths,
        auth=declaration.auth,
        limit=declaration.limit,
        replay_by=declaration.replay_by,
        waits=declaration.waits,
        max_body=max_body if isinstance(max_body, int) else max_body(owner),
        suspended=declaration.suspended,
        summary=summary,
        call=call,
        parameters=hints,
        returns=returns,
    )


def _check(declaration: _Declaration, name: str, parameters: set[str]) -> None:
    """A declaration that cannot work fails at start, not at the first request."""
    parameters = parameters - GIVEN - {"body", "query"}
    for path in declaration.paths:
        in_path = set(re.findall(r"{(\w+)}", path))
        if in_path != parameters:
            raise TypeError(f"{name}: {path} and the method's parameters differ: {in_path ^ parameters}")
    if (declaration.auth is Auth.SERVER) is not (declaration.limit is Limit.FEDERATION):
        raise TypeError(f"{name}: the limit of requests of other servers is theirs alone")
    if declaration.replay_by is not None and declaration.replay_by not in parameters:
        raise TypeError(f"{name}: there is no parameter {declaration.replay_by} to replay by")


def _alternatives(paths: tuple[str, ...]) -> Iterator[str]:
    for path in paths:
        # Odd parts are the insides of parentheses.
        parts = re.split(r"\(([^)]*)\)", path)
        choices = [part.split("|") if index % 2 else [part] for index, part in enumerate(parts)]
        yield from ("".join(choice) for choice in product(*choices))
