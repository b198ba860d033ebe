"""The parts of a server name, and which servers are talked to.

https://spec.matrix.org/v1.19/appendices/#server-name
"""

import re
from dataclasses import dataclass
from fnmatch import translate
from ipaddress import ip_address

from config.federation import Federation
from homeserver.protocol.errors import Forbidden, InvalidParam
from homeserver.protocol.identifiers import ServerName, parse_server_name

DEFAULT_PORT = 8448


@dataclass(frozen=True, slots=True)
class HostAndPort:
    """`host` has no brackets; `port` is None where the name has none."""

    host: str
    port: int | None
    is_address: bool

    @classmethod
    def of(cls, server_name: str) -> "HostAndPort":
        """Raises InvalidParam where it is no server name, or names no port that there is."""
        parse_server_name(server_name)
        host, port = _split(server_name)
        if port is not None and not 0 < port < 65536:
            raise InvalidParam("The server name's port does not exist")
        return cls(host, port, _is_address(host))


def _split(server_name: str) -> tuple[str, int | None]:
    if server_name.startswith("["):
        host, _, port = server_name[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = server_name.partition(":")
    return host, int(port) if port else None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class AllowedServers:
    """Whom the operator lets this server talk to, in either direction."""

    def __init__(self, config: Federation) -> None:
        self._allowed = None if config.domain_allowlist is None else matches_any(config.domain_allowlist)
        self._blocked = matches_any(config.domain_blocklist)

    def check(self, server_name: ServerName) -> None:
        """Raises Forbidden."""
        if self._allowed is not None and not _fits(self._allowed, server_name):
            raise Forbidden("This server does not federate with that server")
        if _fits(self._blocked, server_name):
            raise Forbidden("This server does not federate with that server")


def matches_any(globs: tuple[str, ...]) -> re.Pattern[str]:
    """Matches names that one of `globs` means, in any case."""
    return re.compile("|".join(map(translate, globs)) or r"(?!)", re.IGNORECASE)


def _fits(pattern: re.Pattern[str], server_name: str) -> bool:
    # A host is meant with all its ports.
    return bool(pattern.fullmatch(server_name) or pattern.fullmatch(_split(server_name)[0]))
