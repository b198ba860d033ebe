"""Registration files: what an application service is, and what it may do.

https://spec.matrix.org/v1.19/application-service-api/#registration
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import yaml

from config.errors import ConfigError
from homeserver.protocol.identifiers import ServerName, UserID, is_valid_new_localpart, new_user_id

_MOST_BYTES = 1024 * 1024


class RegistrationError(ConfigError):
    """A registration that cannot be used. The text is for the operator: which file, which key, and what to do."""


class Namespace(msgspec.Struct, frozen=True):
    """`regex` is looked for at the beginning of an identifier."""

    regex: str
    exclusive: bool = False


class Namespaces(msgspec.Struct, frozen=True):
    users: tuple[Namespace, ...] = ()
    aliases: tuple[Namespace, ...] = ()
    rooms: tuple[Namespace, ...] = ()


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a file. Those without default are required, as the specification says."""

    id: str
    url: str | None
    as_token: str
    hs_token: str
    sender_localpart: str
    namespaces: Namespaces
    rate_limited: bool = True
    protocols: tuple[str, ...] | None = None
    receive_ephemeral: bool = False
    receive_ephemeral_unstable: bool = msgspec.field(name="de.sorunome.msc2409.push_ephemeral", default=False)
    wants_keys: bool = msgspec.field(name="org.matrix.msc3202", default=False)


def read_registrations(paths: Iterable[Path]) -> list[Registration]:
    """All files. Raises RegistrationError, also where two of them cannot stand side by side."""
    registrations: list[Registration] = []
    by_id: dict[str, Path] = {}
    by_token: dict[str, Path] = {}
    for path in paths:
        registration = read_registration(path)
        for taken, key, value in (
            (by_id, "id", registration.id),
            (by_token, "as_token", registration.as_token),
        ):
            if value in taken:
                raise RegistrationError(
                    f"{path}: {key} is also that of {taken[value]}; every service needs its own"
                )
            taken[value] = path
        registrations.append(registration)
    return registrations


def read_registration(path: Path) -> Registration:
    """One file. Raises RegistrationError."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise RegistrationError(f"{path} cannot be read: {error.strerror}") from error
    if len(text) > _MOST_BYTES:
        raise RegistrationError(f"{path} is larger than any registration file")
    try:
        fields = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RegistrationError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    try:
        registration = msgspec.convert(fields, Registration)
    except msgspec.ValidationError as error:
        raise RegistrationError(f"{path}: {_told(error)}") from error
    problem = next(_problems(registration), None)
    if problem is not None:
        raise RegistrationError(f"{path}: {problem}")
    return registration


def _told(error: msgspec.ValidationError) -> str:
    """`Expected `str`, got `int` - at `$.id`` becomes `id: Expected `str`, got `int``."""
    what, at, where = str(error).partition(" - at `$")
    key = where.rstrip("`").lstrip(".")
    return f"{key}: {what}" if at and key else what


def _problems(registration: Registration) -> Iterator[str]:
    for key in ("id", "as_token", "hs_token"):
        if not getattr(registration, key):
            yield f"{key}: must not be empty"
    if not is_valid_new_localpart(registration.sender_localpart):
        yield "sender_localpart: user names consist of a-z, 0-9 and ._=-/+"
    if registration.as_token == registration.hs_token:
        yield "hs_token: must be another than as_token, or each side could speak for the other"
    if registration.url is not None and not _is_url(registration.url):
        yield "url: must start with http:// or https:// and a host, or be null"
    for kind in ("users", "aliases", "rooms"):
        for index, namespace in enumerate(getattr(registration.namespaces, kind)):
            try:
                re.compile(namespace.regex)
            except re.error as error:
                yield f"namespaces.{kind}[{index}].regex: {error}"


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


class Patterns:
    """The namespaces of one kind, compiled."""

    def __init__(self, namespaces: Sequence[Namespace]) -> None:
        self._all = _compiled(namespaces)
        self._exclusive = _compiled([one for one in namespaces if one.exclusive])

    def match(self, identifier: str) -> bool:
        return self._all is not None and self._all.match(identifier) is not None

    def match_exclusively(self, identifier: str) -> bool:
        """Whether the service keeps the identifier to itself."""
        return self._exclusive is not None and self._exclusive.match(identifier) is not None


def _compiled(namespaces: Sequence[Namespace]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{one.regex})" for one in namespaces)) if namespaces else None


def network_name(service_id: str, network_id: str) -> str:
    """What clients call a network of a service: `instance_id`, `third_party_instance_id`."""
    return f"{service_id}|{network_id}"


def _ephemeral_names(registration: Registration) -> Iterator[str]:
    """Under which names the service asked for what happens beside events."""
    if registration.receive_ephemeral:
        yield "ephemeral"
    if registration.receive_ephemeral_unstable:
        yield "de.sorunome.msc2409.ephemeral"


class AppService:
    """A registered service on a server with a name."""

    def __init__(self, registration: Registration, server_name: ServerName) -> None:
        self.registration = registration
        self.id = registration.id
        self.sender: UserID = new_user_id(registration.sender_localpart, server_name)
        self.users = Patterns(registration.namespaces.users)
        self.aliases = Patterns(registration.namespaces.aliases)
        self.rooms = Patterns(registration.namespaces.rooms)
        self.protocols = registration.protocols or ()
        self.ephemeral_names = tuple(_ephemeral_names(registration))
        self.wants_ephemeral = bool(self.ephemeral_names)

    def may_be(self, user_id: str) -> bool:
        """Whether the service may act as the (local) user."""
        return user_id == self.sender or self.users.match(user_id)

    def owns_user(self, user_id: str) -> bool:
        """Whether nobody else may have the user ID."""
        return user_id == self.sender or self.users.match_exclusively(user_id)
