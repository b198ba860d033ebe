"""Which servers may take part in a room.

https://spec.matrix.org/v1.19/client-server-api/#mroomserver_acl
"""

import re
from ipaddress import AddressValueError, IPv4Address

from homeserver.protocol.globs import Glob
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject, JsonValue

SERVER_ACL = ("m.room.server_acl", "")
_PORT = re.compile(r":[0-9]{1,5}\Z")


def acl_allows(acl: JsonObject, server_name: ServerName) -> bool:
    """Whether the content of an `m.room.server_acl` event lets a server in; its port does not matter."""
    host = _PORT.sub("", server_name)
    if acl.get("allow_ip_literals") is False and _is_ip_literal(host):
        return False
    return not _matches(acl.get("deny"), host) and _matches(acl.get("allow"), host)


def _matches(patterns: JsonValue, host: str) -> bool:
    if not isinstance(patterns, list):
        return False
    return any(isinstance(pattern, str) and Glob(pattern).matches(host) for pattern in patterns)


def _is_ip_literal(host: str) -> bool:
    if host.startswith("["):
        return True
    try:
        IPv4Address(host)
    except AddressValueError:
        return False
    return True
